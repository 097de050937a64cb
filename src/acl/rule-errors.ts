// What may be wrong with a rule of ACL SETUSER, in Redis's words.

export const RuleError = {
  /** Not a command or category of this server. */
  Unknown: 'Unknown command or category name in ACL',
  Syntax: 'Syntax error',
  AfterAllKeys:
    "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any effect. Try 'resetkeys' to start with an empty list of patterns",
  AfterAllChannels:
    "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any effect. Try 'resetchannels' to start with an empty list of channels",
  NoSuchPassword: 'The password you are trying to remove from the user does not exist',
  BadHash:
    'The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters',
  Duplicate: 'Duplicate user found. A user can only be defined once in config files',
  FirstArgOfSubcommand: 'Allowing first-arg of a subcommand is not supported',
} as const;
export type RuleError = (typeof RuleError)[keyof typeof RuleError];
