-- What shows that the tables are as db4sci wrote them, and what brings the ledger back when the
-- host's own copy of it is gone.

create table db4sci.records (
    seq  bigint primary key,
    line text not null,
    sum  text not null
);
comment on table db4sci.records is 'The ledger''s own records, and the checksum of each with its row of log';

-- A step that changes columns deletes the rows with of = 'shape', and writes the sums anew.
-- `own` covers the columns of `state` that only db4sci writes, `whole` a whole row.
create table db4sci.sums (
    of    text not null,
    key   text not null,
    own   text not null,
    whole text not null,
    primary key (of, key)
);
comment on table db4sci.sums is 'Checksums of rows as db4sci wrote them last';
