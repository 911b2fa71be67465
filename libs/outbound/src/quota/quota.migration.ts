/** The tables of quotas and of their buckets, for a migration of the service; `drop table quota_buckets, quotas` undoes it. */
export const quotaTables: readonly string[] = [
  `
      create table quotas (
        tenant text not null,
        scope text not null,
        rate double precision,
        burst integer,
        daily_cap integer,
        daily_reserve integer,
        time_zone text,
        updated_at timestamptz(3) not null,
        primary key (tenant, scope)
      )`,
  // Room in each page for the next version of a row: every claim under a quota rewrites its bucket.
  `
      create table quota_buckets (
        tenant text not null,
        scope text not null,
        next_ms double precision not null,
        day text not null,
        used integer not null,
        primary key (tenant, scope)
      ) with (fillfactor = 30)`,
];
