/** The index that waiting lines of a table of items stand on, for a migration of the service. */
export function lineIndex(table: string): readonly string[] {
  return [
    // A waiting line is a range of this index, and the first of every line is found by skipping from one to the next.
    `create index ${table}_waiting on ${table} (lane, tenant, queue, due_at) where due_at is not null`,
    // A long campaign leaves the index entries of what is sent at the head of its line: the default of a fifth is too late.
    `alter table ${table} set (autovacuum_vacuum_scale_factor = 0.05)`,
  ];
}
