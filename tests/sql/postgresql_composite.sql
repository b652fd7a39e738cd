-- read, one row
SELECT seat.etag, seat.version, seat.schema_version, seat.updated_at, seat.taken
FROM seat
WHERE seat.actor_id_1 = %b::UUID AND seat.actor_id_2 = %b::BIGINT AND seat.actor_id_3 = %b;

-- read, a batch
SELECT batch.n, seat.etag, seat.version, seat.schema_version, seat.updated_at, seat.taken
FROM unnest(%b::UUID[], %b::BIGINT[], %b::BYTEA[]) WITH ORDINALITY AS batch(c0, c1, c2, n) JOIN seat ON seat.actor_id_1 = batch.c0 AND seat.actor_id_2 = batch.c1 AND seat.actor_id_3 = batch.c2;

-- look, one row
SELECT seat.etag
FROM seat
WHERE seat.actor_id_1 = %b::UUID AND seat.actor_id_2 = %b::BIGINT AND seat.actor_id_3 = %b;

-- look, a batch
SELECT batch.n, seat.etag
FROM unnest(%b::UUID[], %b::BIGINT[], %b::BYTEA[]) WITH ORDINALITY AS batch(c0, c1, c2, n) JOIN seat ON seat.actor_id_1 = batch.c0 AND seat.actor_id_2 = batch.c1 AND seat.actor_id_3 = batch.c2;

-- probe, one row
SELECT seat.etag
FROM seat
WHERE seat.actor_id_1 = %b::UUID AND seat.actor_id_2 = %b::BIGINT AND seat.actor_id_3 = %b;

-- probe, a batch
SELECT batch.n, seat.etag
FROM unnest(%b::UUID[], %b::BIGINT[], %b::BYTEA[]) WITH ORDINALITY AS batch(c0, c1, c2, n) JOIN seat ON seat.actor_id_1 = batch.c0 AND seat.actor_id_2 = batch.c1 AND seat.actor_id_3 = batch.c2;

-- reread, one row
SELECT seat.etag, seat.version, seat.schema_version, seat.updated_at, seat.taken
FROM seat
WHERE seat.actor_id_1 = %b::UUID AND seat.actor_id_2 = %b::BIGINT AND seat.actor_id_3 = %b;

-- reread, a batch
SELECT batch.n, seat.etag, seat.version, seat.schema_version, seat.updated_at, seat.taken
FROM unnest(%b::UUID[], %b::BIGINT[], %b::BYTEA[]) WITH ORDINALITY AS batch(c0, c1, c2, n) JOIN seat ON seat.actor_id_1 = batch.c0 AND seat.actor_id_2 = batch.c1 AND seat.actor_id_3 = batch.c2;

-- lock, one row
SELECT seat.etag
FROM seat
WHERE seat.actor_id_1 = %b::UUID AND seat.actor_id_2 = %b::BIGINT AND seat.actor_id_3 = %b ORDER BY seat.actor_id_1, seat.actor_id_2, seat.actor_id_3 FOR NO KEY UPDATE OF seat;

-- lock, a batch
SELECT batch.n, seat.etag
FROM unnest(%b::UUID[], %b::BIGINT[], %b::BYTEA[]) WITH ORDINALITY AS batch(c0, c1, c2, n) JOIN seat ON seat.actor_id_1 = batch.c0 AND seat.actor_id_2 = batch.c1 AND seat.actor_id_3 = batch.c2 ORDER BY seat.actor_id_1, seat.actor_id_2, seat.actor_id_3 FOR NO KEY UPDATE OF seat;

-- list, one row
SELECT seat.actor_id_1, seat.actor_id_2, seat.actor_id_3
FROM seat ORDER BY seat.actor_id_1, seat.actor_id_2, seat.actor_id_3
 LIMIT %b::BIGINT;

-- list_after, one row
SELECT seat.actor_id_1, seat.actor_id_2, seat.actor_id_3
FROM seat
WHERE (seat.actor_id_1, seat.actor_id_2, seat.actor_id_3) > (%b::UUID, %b::BIGINT, %b) ORDER BY seat.actor_id_1, seat.actor_id_2, seat.actor_id_3
 LIMIT %b::BIGINT;

-- count, one row
SELECT count(*) AS count_1
FROM seat;

-- create, one row
INSERT INTO seat (actor_id_1, actor_id_2, actor_id_3, taken, version, etag, created_at, updated_at, schema_version) VALUES (%b::UUID, %b::BIGINT, %b, %b, 1, %b::UUID, now(), now(), %b::INTEGER) ON CONFLICT (actor_id_1, actor_id_2, actor_id_3) DO NOTHING RETURNING seat.etag;

-- create, a batch
INSERT INTO seat (actor_id_1, actor_id_2, actor_id_3, taken, etag, schema_version, version, created_at, updated_at) SELECT batch.c0, batch.c1, batch.c2, batch.c3, batch.c4, batch.c5, 1, now() AS now_1, now() AS now__1
FROM unnest(%b::UUID[], %b::BIGINT[], %b::BYTEA[], %b::BOOLEAN[], %b::UUID[], %b::INTEGER[]) AS batch(c0, c1, c2, c3, c4, c5) ON CONFLICT (actor_id_1, actor_id_2, actor_id_3) DO NOTHING RETURNING seat.etag;

-- swap, one row
UPDATE seat SET taken=%b, version=(seat.version + 1), etag=%b::UUID, updated_at=now(), schema_version=%b::INTEGER WHERE seat.actor_id_1 = %b::UUID AND seat.actor_id_2 = %b::BIGINT AND seat.actor_id_3 = %b AND seat.etag = %b::UUID RETURNING seat.etag;

-- swap, a batch
UPDATE seat SET taken=batch.c4, version=(seat.version + 1), etag=batch.c5, updated_at=now(), schema_version=batch.c6 FROM unnest(%b::UUID[], %b::BIGINT[], %b::BYTEA[], %b::UUID[], %b::BOOLEAN[], %b::UUID[], %b::INTEGER[]) AS batch(c0, c1, c2, c3, c4, c5, c6) WHERE seat.actor_id_1 = batch.c0 AND seat.actor_id_2 = batch.c1 AND seat.actor_id_3 = batch.c2 AND seat.etag = batch.c3 RETURNING seat.etag;

-- delete, one row
DELETE FROM seat WHERE seat.actor_id_1 = %b::UUID AND seat.actor_id_2 = %b::BIGINT AND seat.actor_id_3 = %b AND seat.etag = %b::UUID RETURNING seat.etag;

-- delete, a batch
DELETE FROM seat USING unnest(%b::UUID[], %b::BIGINT[], %b::BYTEA[], %b::UUID[]) AS batch(c0, c1, c2, c3) WHERE seat.actor_id_1 = batch.c0 AND seat.actor_id_2 = batch.c1 AND seat.actor_id_3 = batch.c2 AND seat.etag = batch.c3 RETURNING seat.etag;

-- whole, one row
SELECT seat.etag, seat.version, seat.schema_version, seat.updated_at, seat.taken, seat.created_at
FROM seat
WHERE seat.actor_id_1 = %b::UUID AND seat.actor_id_2 = %b::BIGINT AND seat.actor_id_3 = %b;

-- whole, a batch
SELECT batch.n, seat.etag, seat.version, seat.schema_version, seat.updated_at, seat.taken, seat.created_at
FROM unnest(%b::UUID[], %b::BIGINT[], %b::BYTEA[]) WITH ORDINALITY AS batch(c0, c1, c2, n) JOIN seat ON seat.actor_id_1 = batch.c0 AND seat.actor_id_2 = batch.c1 AND seat.actor_id_3 = batch.c2;

-- adopt, one row
INSERT INTO seat (actor_id_1, actor_id_2, actor_id_3, taken, version, etag, created_at, updated_at, schema_version) VALUES (%b::UUID, %b::BIGINT, %b, %b, %b::BIGINT, %b::UUID, %b::TIMESTAMP WITH TIME ZONE, %b::TIMESTAMP WITH TIME ZONE, %b::INTEGER) ON CONFLICT (actor_id_1, actor_id_2, actor_id_3) DO NOTHING RETURNING seat.etag;

-- adopt, a batch
INSERT INTO seat (actor_id_1, actor_id_2, actor_id_3, taken, version, created_at, updated_at, etag, schema_version) SELECT batch.c0, batch.c1, batch.c2, batch.c3, batch.c4, batch.c5, batch.c6, batch.c7, batch.c8
FROM unnest(%b::UUID[], %b::BIGINT[], %b::BYTEA[], %b::BOOLEAN[], %b::BIGINT[], %b::TIMESTAMP WITH TIME ZONE[], %b::TIMESTAMP WITH TIME ZONE[], %b::UUID[], %b::INTEGER[]) AS batch(c0, c1, c2, c3, c4, c5, c6, c7, c8) ON CONFLICT (actor_id_1, actor_id_2, actor_id_3) DO NOTHING RETURNING seat.etag;
