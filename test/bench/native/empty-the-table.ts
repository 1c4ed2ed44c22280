/** The channel on which the played kernel is told to lose its table, as if another program had emptied it. */
export const EMPTY_THE_TABLE = 'empty-the-table'
