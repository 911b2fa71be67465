const ofTenants = [
  `comment on column attempts.tenant is 'Whose the id of the provider is; null until there is one'`,
  // What the provider has belongs to one attempt of its tenant: the last guard against claiming it twice. One tenant may name
  // the id of another's in a callback of its own, and must not stand in its way with that.
  `create unique index attempts_provider_sid on attempts (tenant, provider_sid) where provider_sid is not null`,
];

/**
 * The table of attempts, for a migration of the service.
 *
 * @param key the column of the item's id, e.g. `call_id`: a literal of the code
 */
export function attemptTable(key: string): readonly string[] {
  return [
    `
      create table attempts (
        ${key} uuid not null,
        number integer not null,
        state text not null,
        started_at timestamptz(3) not null,
        lease_until timestamptz(3) not null,
        worker text not null,
        finished_at timestamptz(3),
        provider_sid text,
        tenant text,
        http_status integer,
        error jsonb,
        primary key (${key}, number)
      )`,
    `create index attempts_open on attempts (lease_until) where state in ('calling', 'in_doubt')`,
    ...ofTenants,
  ];
}

/**
 * For a database whose table was made before attempts had a tenant; one that has it is left as it is.
 *
 * @param key the column of the item's id, `items` the table of the items, e.g. `call_id`, `calls`: literals of the code
 */
export function attemptsByTenant(key: string, items: string): readonly string[] {
  return [
    'alter table attempts add column if not exists tenant text',
    `update attempts a set tenant = i.tenant from ${items} i
     where i.id = a.${key} and a.provider_sid is not null and a.tenant is null`,
    'drop index attempts_provider_sid',
    ...ofTenants,
  ];
}
