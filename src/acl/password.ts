// Passwords of users: kept as SHA-256, compared in a time that tells nothing of them.
//
// node:crypto is loaded at the first password: it costs a thread 1.1 MB.

/** @returns 64 hexadecimal digits in lower case */
export function hashPassword(password: Uint8Array): string {
  return process.getBuiltinModule('node:crypto').createHash('sha256').update(password).digest('hex');
}

/** @returns whether a text is what hashPassword gives */
export function isPasswordHash(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text) && text.length === 64;
}

/** Whether a password is one of those with these hashes. All are looked at, also behind the one that fits. */
export function passwordMatches(password: Uint8Array, hashes: readonly string[]): boolean {
  const crypto = process.getBuiltinModule('node:crypto');
  const digest = crypto.createHash('sha256').update(password).digest();
  let found = 0;
  for (const hash of hashes) found |= crypto.timingSafeEqual(digest, Buffer.from(hash, 'hex')) ? 1 : 0;
  return found !== 0;
}
