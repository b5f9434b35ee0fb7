/*
 * The only program in a User-mode Linux that judges one damaged image: mounts it, reads everything, changes it, and says
 * what each step gave in lines "fsquake: STEP ERRNO". Each step is a process of its own, so that a kernel that kills it
 * or hangs in it ends that step only. Built statically by measure-kernel.ts.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#define STEP_SECONDS 20
#define DEPTH_MAX 12
#define ENTRIES_MAX 5000
#define TOP "/m"

static uint64_t names, status, content;
static int errors, firstError, entries;

static void mix(uint64_t *hash, const void *data, size_t length) {
  const unsigned char *bytes = data;
  for (size_t i = 0; i < length; i++) *hash = (*hash ^ bytes[i]) * 0x100000001b3ull;
}

static void failed(void) {
  if (errors++ == 0) firstError = errno;
}

static void readContent(const char *path) {
  static char buffer[65536];
  int file = open(path, O_RDONLY | O_NOFOLLOW | O_NOATIME);
  if (file < 0) return failed();
  /* Sparse files may claim exabytes: the first four megabytes are enough to tell. */
  for (int round = 0; round < 64; round++) {
    ssize_t got = read(file, buffer, sizeof buffer);
    if (got < 0) failed();
    if (got <= 0) break;
    mix(&content, buffer, got);
  }
  close(file);
}

static void readXattrs(const char *path) {
  static char list[65536], value[65536];
  ssize_t length = llistxattr(path, list, sizeof list);
  if (length < 0) return failed();
  for (ssize_t at = 0; at < length; at += strlen(list + at) + 1) {
    mix(&status, list + at, strlen(list + at));
    ssize_t got = lgetxattr(path, list + at, value, sizeof value);
    if (got < 0) failed();
    else mix(&status, value, got);
  }
}

static void walk(const char *path, int depth);

static void visit(const char *path, int depth) {
  struct stat st;
  if (++entries > ENTRIES_MAX) return;
  if (lstat(path, &st) < 0) return failed();
  uint64_t fields[] = {st.st_ino,  st.st_mode, st.st_nlink, st.st_uid, st.st_gid, st.st_rdev, st.st_size,
                       st.st_blocks, st.st_mtim.tv_sec, st.st_mtim.tv_nsec, st.st_ctim.tv_sec, st.st_ctim.tv_nsec};
  mix(&status, fields, sizeof fields);
  readXattrs(path);
  if (S_ISREG(st.st_mode)) readContent(path);
  if (S_ISLNK(st.st_mode)) {
    static char target[4097];
    ssize_t got = readlink(path, target, sizeof target);
    if (got < 0) failed();
    else mix(&content, target, got);
  }
  if (S_ISDIR(st.st_mode) && depth < DEPTH_MAX) walk(path, depth + 1);
}

static void walk(const char *path, int depth) {
  DIR *directory = opendir(path);
  if (directory == NULL) return failed();
  for (;;) {
    char child[4096];
    errno = 0;
    struct dirent *entry = readdir(directory);
    if (entry == NULL) {
      if (errno != 0) failed();
      break;
    }
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    mix(&names, entry->d_name, strlen(entry->d_name));
    mix(&names, &entry->d_type, 1);
    if (snprintf(child, sizeof child, "%s/%s", path, entry->d_name) < (int)sizeof child) visit(child, depth);
    if (entries > ENTRIES_MAX) break;
  }
  closedir(directory);
}

static void stepRead(void) {
  names = status = content = 0xcbf29ce484222325ull;
  visit(TOP, 0);
  printf("fsquake: read %d errors %d entries %d names %llx status %llx content %llx\n", firstError, errors, entries,
         (unsigned long long)names, (unsigned long long)status, (unsigned long long)content);
}

static void stepMountReadOnly(void) {
  /* As it is mounted by default, then so that everything is to be seen. */
  int gone = mount("/dev/ubda", TOP, "btrfs", MS_RDONLY, "");
  if (gone == 0) gone = umount(TOP);
  if (gone == 0) gone = mount("/dev/ubda", TOP, "btrfs", MS_RDONLY, "subvolid=5");
  printf("fsquake: mount-ro %d\n", gone < 0 ? errno : 0);
}

static void stepMountWritable(void) {
  int gone = mount("/dev/ubda", TOP, "btrfs", 0, "subvolid=5");
  printf("fsquake: mount-rw %d\n", gone < 0 ? errno : 0);
}

static void stepUnmount(void) {
  int gone = umount(TOP);
  printf("fsquake: umount %d\n", gone < 0 ? errno : 0);
}

/* Read-only snapshots refuse it; that everything has become read-only is seen when it is synced. */
static void refused(void) {
  if (errno != EROFS) failed();
}

static void removeAll(const char *path, int depth) {
  DIR *directory = opendir(path);
  if (directory == NULL) return failed();
  static const int rounds = ENTRIES_MAX;
  for (int i = 0; i < rounds; i++) {
    char child[4096];
    struct stat st;
    struct dirent *entry = readdir(directory);
    if (entry == NULL) break;
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    if (snprintf(child, sizeof child, "%s/%s", path, entry->d_name) >= (int)sizeof child) continue;
    if (lstat(child, &st) < 0) {
      failed();
      continue;
    }
    if (S_ISDIR(st.st_mode)) {
      if (depth < DEPTH_MAX) removeAll(child, depth + 1);
      if (rmdir(child) < 0) refused();
    } else if (unlink(child) < 0) {
      refused();
    }
  }
  closedir(directory);
}

static int syncAll(void) {
  int directory = open(TOP, O_RDONLY);
  int gone = directory < 0 ? -1 : syncfs(directory);
  int number = gone < 0 ? errno : 0;
  if (directory >= 0) close(directory);
  return number;
}

static void stepWrite(void) {
  static char bytes[300000];
  memset(bytes, 'x', sizeof bytes);
  int number = 0;
  int file = open(TOP "/written-by-the-judge", O_CREAT | O_WRONLY, 0644);
  if (file < 0 || write(file, bytes, sizeof bytes) < 0 || fsync(file) < 0) number = errno;
  if (file >= 0) close(file);
  printf("fsquake: write %d sync %d\n", number, syncAll());
}

static void stepRemove(void) {
  removeAll(TOP, 0);
  printf("fsquake: remove %d errors %d sync %d\n", firstError, errors, syncAll());
}

/* Returns whether the step came to its end. */
static int run(const char *name, void (*step)(void)) {
  pid_t child = fork();
  if (child == 0) {
    step();
    fflush(stdout);
    _exit(0);
  }
  for (int tick = 0; tick < STEP_SECONDS * 50; tick++) {
    int result;
    struct timespec pause = {0, 20000000};
    if (waitpid(child, &result, WNOHANG) == child) {
      if (WIFEXITED(result)) return 1;
      printf("fsquake: killed %s signal %d\n", name, WTERMSIG(result));
      fflush(stdout);
      return 0;
    }
    nanosleep(&pause, NULL);
  }
  printf("fsquake: hang %s\n", name);
  fflush(stdout);
  return 0;
}

int main(void) {
  mkdir("/dev", 0755);
  mkdir(TOP, 0755);
  mount("dev", "/dev", "devtmpfs", 0, "");
  int console = open("/dev/console", O_RDWR);
  if (console >= 0) {
    dup2(console, 0);
    dup2(console, 1);
    dup2(console, 2);
  }
  int whole = run("mount-ro", stepMountReadOnly) && run("read", stepRead);
  whole = whole && run("umount", stepUnmount) && run("mount-rw", stepMountWritable);
  struct stat top, above;
  int mounted = whole && stat(TOP, &top) == 0 && stat("/", &above) == 0 && top.st_dev != above.st_dev;
  if (mounted) {
    run("write", stepWrite);
    run("remove", stepRemove);
    run("umount", stepUnmount);
  }
  printf("fsquake: done\n");
  fflush(stdout);
  reboot(RB_POWER_OFF);
  return 0;
}
