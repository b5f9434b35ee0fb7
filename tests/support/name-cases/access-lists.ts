import { CaseList } from './case-list.ts';

/** POSIX access control lists. */
const list = new CaseList();
const { add } = list;

export const ACLS = [
  '',
  ';',
  '1,7,-1;4,5,-1;32,0,-1',
  '1,6,-1;4,4,-1;32,4,-1',
  '1,7,-1;2,5,1000;4,5,-1;16,7,-1;32,0,-1',
  '1,7,-1;2,5,1000;4,5,-1;32,0,-1',
  '1,7,-1;4,5,-1;16,3,-1;32,0,-1',
  '1,7,-1;4,5,-1',
  '4,5,-1;1,7,-1;32,0,-1',
  '1,8,-1;4,5,-1;32,0,-1',
  '1,7,-1;2,5,1000;2,5,1000;4,5,-1;16,7,-1;32,0,-1',
  '1,7,-1;2,5,1001;2,5,1000;4,5,-1;16,7,-1;32,0,-1',
  '1,7,-1;2,5,-1;4,5,-1;16,7,-1;32,0,-1',
  '1,7,5;4,5,-1;32,0,-1',
  '1,7,-1;4,5,-1;8,2,10;8,3,11;16,1,-1;32,7,-1',
  '1,7,-1;4,5,-1;64,0,-1',
  '1,7,-1;4,5,-1;16,7,-1;16,7,-1;32,0,-1',
  '1,7,-1;4,5,-1;32,0,-1;32,0,-1',
];
for (const acl of ACLS) {
  add(
    `an access list ${acl}`,
    ['create', '/f'],
    ['setxattr', '/f', 'system.posix_acl_access', `acl:${acl}`],
    ['getxattr', '/f', 'system.posix_acl_access'],
    ['lstat', '/f'],
    ['chmod', '/f', 0o741],
    ['getxattr', '/f', 'system.posix_acl_access'],
    ['lstat', '/f'],
    ['listxattr', '/f'],
    ['removexattr', '/f', 'system.posix_acl_access'],
    ['lstat', '/f'],
    ['removexattr', '/f', 'system.posix_acl_access'],
    ['listxattr', '/f'],
  );
  add(
    `a default list ${acl}`,
    ['mkdir', '/d'],
    ['setxattr', '/d', 'system.posix_acl_default', `acl:${acl}`],
    ['lstat', '/d'],
    ['create', '/d/f', 0o666],
    ['lstat', '/d/f'],
    ['getxattr', '/d/f', 'system.posix_acl_access'],
    ['getxattr', '/d/f', 'system.posix_acl_default'],
    ['mkdir', '/d/e', 0o755],
    ['lstat', '/d/e'],
    ['getxattr', '/d/e', 'system.posix_acl_access'],
    ['getxattr', '/d/e', 'system.posix_acl_default'],
    ['symlink', 'x', '/d/l'],
    ['llistxattr', '/d/l'],
    ['mknod', '/d/p', 'fifo', 0o777],
    ['lstat', '/d/p'],
    ['getxattr', '/d/p', 'system.posix_acl_access'],
    ['open', '$t', '/d', 'tmpfile', 'read', 'write'],
    ['getxattr', '$t', 'system.posix_acl_access'],
    ['stat', '$t'],
  );
}
for (const value of ['v', '\x02\0\0', '\x02\0\0\0', '\x01\0\0\0', '\x02\0\0\0\x01']) {
  add(
    `an access list of the bytes ${JSON.stringify(value)}`,
    ['create', '/f'],
    ['setxattr', '/f', 'system.posix_acl_access', value],
    ['setxattr', '/f', 'system.posix_acl_default', value],
  );
}
add(
  'an access list and flags',
  ['create', '/f'],
  ['setxattr', '/f', 'system.posix_acl_access', `acl:${ACLS[4]}`, 'replace'],
  ['setxattr', '/f', 'system.posix_acl_access', `acl:${ACLS[4]}`, 'create'],
  ['setxattr', '/f', 'system.posix_acl_access', `acl:${ACLS[4]}`, 'create'],
  ['chmod', '/f', 0o2777],
  ['setxattr', '/f', 'system.posix_acl_access', `acl:${ACLS[2]}`],
  ['lstat', '/f'],
);

export const ACL_CASES = list.cases;
