/** A `newc` cpio archive with one executable `/init`, as Linux unpacks it for its first file system. */
export function initramfs(init: Uint8Array): Uint8Array {
  const parts = [entry('init', 0o100755, init), entry('TRAILER!!!', 0, new Uint8Array(0))];
  return new Uint8Array(Buffer.concat(parts));
}

let serial = 0;

function entry(name: string, mode: number, data: Uint8Array): Buffer {
  serial++;
  const fields = [serial, mode, 0, 0, 1, 0, data.length, 0, 0, 0, 0, name.length + 1, 0];
  const head = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}${name}\0`;
  return Buffer.concat([padded(Buffer.from(head, 'latin1')), padded(Buffer.from(data))]);
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
}
