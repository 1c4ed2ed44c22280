/** What the lab itself cannot do, in one sentence; never the failure of a command that ran in it. */
export class LabError extends Error {
  override readonly name = 'LabError'
}

/** The emulator was ended by a signal that nobody here sent. */
export class EmulatorDied extends LabError {}
