-- The four tables of mydb_admin and what guards them. Runs as db4sci, the owner of the database,
-- on PostgreSQL 13 to 17; the roles were made by the bootstrap.
--
-- The tables show the ledger, which lies outside this database. People change one of them, `state`,
-- and there five columns. No constraint here is stricter than what the ledger accepts: otherwise an
-- accepted entry could not be brought in.

create schema if not exists db4sci;

create table public.container (
    id        bigint primary key,
    uid       uuid not null unique,
    name      text not null,
    engine    text not null,
    image     text not null,
    image_id  text,
    data      jsonb,
    secrets   jsonb,
    ts        timestamptz not null
);
comment on table public.container is 'Every database that ever was. Kept by db4sci.';
comment on column public.container.id is 'Number of the log row that brought it';
comment on column public.container.data is 'What Docker said of its container when it was last inspected';

create table public.state (
    name                text primary key,
    spec                jsonb not null,
    state               text not null,
    until               timestamptz,
    note                text,
    c_id                bigint,
    source              text not null default 'row',
    last_state          text,
    observed            text,
    reason              text,
    message             text,
    generation          bigint not null default 1,
    observed_generation bigint not null default 0,
    changed_by          text not null default '',
    ts                  timestamptz not null default now()
);
comment on table public.state is
    'Databases that should be. Insert name and spec; update spec, state, until, note; end one with state = ''Retired''.';
comment on column public.state.spec is 'What a spec file has below `spec:`';
comment on column public.state.state is 'Running, Stopped, Maintenance or Retired';
comment on column public.state.until is 'When a state set here ends and the spec''s own counts again';
comment on column public.state.note is 'Why';
comment on column public.state.source is 'row: made here; api: db4sci apply; file:PATH: a file, which then owns the spec';
comment on column public.state.observed is 'What db4sci sees';
comment on column public.state.reason is 'Why, in a word';
comment on column public.state.generation is 'Counts edits of this row';
comment on column public.state.observed_generation is 'The last edit that db4sci has dealt with';

create table public.log (
    id      bigint primary key,
    ts      timestamptz not null,
    who     text not null,
    name    text,
    action  text not null,
    outcome text not null,
    message text not null,
    hash    text not null
);
create index log_name on public.log (name, id);
comment on table public.log is 'Everything that was done or refused. Kept by db4sci.';
comment on column public.log.hash is 'Checksum of the ledger''s record, chained to all before it';

create table public.backup_log (
    id       bigint primary key,
    ts       timestamptz not null,
    name     text not null,
    uid      uuid not null,
    slot     text not null,
    attempt  text not null,
    kind     text not null,
    store    text not null,
    state    text not null,
    url      text,
    bytes    bigint,
    sha256   text,
    started  timestamptz,
    finished timestamptz,
    verified timestamptz,
    error    text
);
create index backup_log_name on public.backup_log (name, id);
comment on table public.backup_log is 'Every backup that was tried. Kept by db4sci.';

-- One row: how much of the ledger is in these tables.
create table db4sci.applied (
    single boolean primary key default true check (single),
    seq    bigint not null,
    hash text not null
);
insert into db4sci.applied (seq, hash) values (0, repeat('0', 64));

-- Whoever is not the daemon goes through this at every row of `state`.
create function db4sci.guard_state() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    states constant text[] := array['Running', 'Stopped', 'Maintenance', 'Retired'];
    file text;
begin
    if session_user = 'db4sci' then
        return new;
    end if;

    if tg_op = 'INSERT' then
        if new.name is null or new.name !~ '^[a-z][a-z0-9_-]{0,39}$' then
            raise exception 'name `%`: allowed: ^[a-z][a-z0-9_-]{0,39}$', new.name
                using errcode = 'check_violation';
        end if;
        if (new.c_id, new.last_state, new.observed, new.reason, new.message)
               is distinct from (null::bigint, null::text, null::text, null::text, null::text)
           or (new.source, new.generation, new.observed_generation, new.changed_by)
               is distinct from ('row', 1::bigint, 0::bigint, '') then
            raise exception 'only name, spec, state, until and note may be given'
                using errcode = 'insufficient_privilege',
                      hint = 'db4sci fills the other columns in';
        end if;
        if new.state is null then
            new.state := case when new.spec->>'state' = any (states)
                              then new.spec->>'state' else 'Running' end;
        end if;
        new.generation := 1;
    else
        if (new.name, new.c_id, new.source, new.last_state, new.observed, new.reason, new.message,
            new.generation, new.observed_generation, new.changed_by, new.ts)
               is distinct from
           (old.name, old.c_id, old.source, old.last_state, old.observed, old.reason, old.message,
            old.generation, old.observed_generation, old.changed_by, old.ts) then
            raise exception 'only spec, state, until and note may be changed'
                using errcode = 'insufficient_privilege',
                      hint = case when new.name is distinct from old.name
                             then 'to rename a database: db4sci rename '
                                  || old.name || ' ' || coalesce(new.name, '')
                             else 'db4sci keeps the other columns' end;
        end if;
        if (new.spec, new.state, new.until, new.note)
               is not distinct from (old.spec, old.state, old.until, old.note) then
            return old;
        end if;
        if new.state is distinct from old.state then
            -- The end and reason of another state are not those of this one.
            if new.until is not distinct from old.until then new.until := null; end if;
            if new.note is not distinct from old.note then new.note := null; end if;
        end if;
        if old.source like 'file:%' then
            file := substr(old.source, 6);
            if new.spec is distinct from old.spec then
                raise exception 'the spec of `%` comes from the file %', old.name, file
                    using errcode = 'insufficient_privilege',
                          hint = 'edit the file; state, until and note can be changed here';
            end if;
            if new.state = 'Retired' and old.state <> 'Retired' then
                raise exception 'the life of `%` is up to the file %', old.name, file
                    using errcode = 'insufficient_privilege',
                          hint = 'write `state: Retired` there';
            end if;
        end if;
        new.generation := old.generation + 1;
    end if;

    if new.name = 'mydb_admin' then
        raise exception 'mydb_admin is DB4Sci''s own database'
            using errcode = 'insufficient_privilege', hint = 'choose another name';
    end if;
    if new.spec is null or jsonb_typeof(new.spec) <> 'object' then
        raise exception 'spec: an object is needed'
            using errcode = 'check_violation',
                  hint = 'at least {"engine": …, "owner": …, "contact": …}';
    end if;
    if octet_length(new.spec::text) > 262144 then
        raise exception 'spec: % bytes; at most 262144 are allowed', octet_length(new.spec::text)
            using errcode = 'check_violation';
    end if;
    if new.state is null or new.state <> all (states) then
        raise exception 'state `%` is not a state', new.state
            using errcode = 'check_violation',
                  hint = 'allowed: ' || array_to_string(states, ', ');
    end if;
    if new.until is not null then
        if new.state = 'Retired' then
            raise exception 'until: a retirement has no end'
                using errcode = 'check_violation', hint = 'leave until empty';
        end if;
        if not isfinite(new.until) or new.until > now() + interval '100 years' then
            raise exception 'until: not within 100 years'
                using errcode = 'check_violation', hint = 'for no end, leave until empty';
        end if;
        if new.until <= now() and (tg_op = 'INSERT' or new.until is distinct from old.until) then
            raise exception 'until lies in the past'
                using errcode = 'check_violation', hint = 'for example: now() + interval ''2 hours''';
        end if;
    end if;
    if char_length(new.note) > 1000 then
        raise exception 'note: % characters; at most 1000 are allowed', char_length(new.note)
            using errcode = 'check_violation';
    end if;

    new.changed_by := session_user;
    new.ts := clock_timestamp();
    perform pg_notify('db4sci_state', new.name);
    return new;
end $$;

create trigger guard_state before insert or update on public.state
    for each row execute function db4sci.guard_state();

create function db4sci.guard_rows() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if session_user = 'db4sci' then
        return null;
    end if;
    if tg_table_name = 'state' then
        raise exception 'rows of state are never deleted; nothing was changed'
            using errcode = 'insufficient_privilege',
                  hint = 'to end a database: update state set state=''Retired'' where name = …';
    end if;
    raise exception '% is kept by db4sci; nothing was changed', tg_table_name
        using errcode = 'insufficient_privilege',
              hint = 'to change a database, insert or update its row of state';
end $$;

create trigger guard_rows before delete or truncate on public.state
    for each statement execute function db4sci.guard_rows();
create trigger guard_rows before insert or update or delete or truncate on public.container
    for each statement execute function db4sci.guard_rows();
create trigger guard_rows before insert or update or delete or truncate on public.log
    for each statement execute function db4sci.guard_rows();
create trigger guard_rows before insert or update or delete or truncate on public.backup_log
    for each statement execute function db4sci.guard_rows();

grant select on public.container, public.state, public.log, public.backup_log to db4sci_people;
grant insert (name, spec, state, until, note), update (spec, state, until, note)
    on public.state to db4sci_people;
-- The trigger refuses every DELETE; the privilege lets people read its hint.
grant delete on public.state to db4sci_people;
