-- read, one row
SELECT counter.etag, counter.version, counter.schema_version, counter.updated_at, counter.count
FROM counter
WHERE counter.actor_id = %b::VARCHAR;

-- read, a batch
SELECT batch.n, counter.etag, counter.version, counter.schema_version, counter.updated_at, counter.count
FROM unnest(%b::TEXT[]) WITH ORDINALITY AS batch(c0, n) JOIN counter ON counter.actor_id = batch.c0;

-- look, one row
SELECT counter.etag
FROM counter
WHERE counter.actor_id = %b::VARCHAR;

-- look, a batch
SELECT batch.n, counter.etag
FROM unnest(%b::TEXT[]) WITH ORDINALITY AS batch(c0, n) JOIN counter ON counter.actor_id = batch.c0;

-- probe, one row
SELECT counter.etag
FROM counter
WHERE counter.actor_id = %b::VARCHAR;

-- probe, a batch
SELECT batch.n, counter.etag
FROM unnest(%b::TEXT[]) WITH ORDINALITY AS batch(c0, n) JOIN counter ON counter.actor_id = batch.c0;

-- reread, one row
SELECT counter.etag, counter.version, counter.schema_version, counter.updated_at, counter.count
FROM counter
WHERE counter.actor_id = %b::VARCHAR;

-- reread, a batch
SELECT batch.n, counter.etag, counter.version, counter.schema_version, counter.updated_at, counter.count
FROM unnest(%b::TEXT[]) WITH ORDINALITY AS batch(c0, n) JOIN counter ON counter.actor_id = batch.c0;

-- lock, one row
SELECT counter.etag
FROM counter
WHERE counter.actor_id = %b::VARCHAR ORDER BY counter.actor_id FOR NO KEY UPDATE OF counter;

-- lock, a batch
SELECT batch.n, counter.etag
FROM unnest(%b::TEXT[]) WITH ORDINALITY AS batch(c0, n) JOIN counter ON counter.actor_id = batch.c0 ORDER BY counter.actor_id FOR NO KEY UPDATE OF counter;

-- list, one row
SELECT counter.actor_id
FROM counter ORDER BY counter.actor_id
 LIMIT %b::BIGINT;

-- list_after, one row
SELECT counter.actor_id
FROM counter
WHERE counter.actor_id > %b::VARCHAR ORDER BY counter.actor_id
 LIMIT %b::BIGINT;

-- count, one row
SELECT count(*) AS count_1
FROM counter;

-- create, one row
INSERT INTO counter (actor_id, count, source, version, etag, created_at, updated_at, schema_version) VALUES (%b::VARCHAR, %b::BIGINT, %b::VARCHAR, 1, %b::UUID, now(), now(), %b::INTEGER) ON CONFLICT (actor_id) DO NOTHING RETURNING counter.etag;

-- create, a batch
INSERT INTO counter (actor_id, count, source, etag, schema_version, version, created_at, updated_at) SELECT batch.c0, batch.c1, batch.c2, batch.c3, batch.c4, 1, now() AS now_1, now() AS now__1
FROM unnest(%b::TEXT[], %b::BIGINT[], %b::TEXT[], %b::UUID[], %b::INTEGER[]) AS batch(c0, c1, c2, c3, c4) ON CONFLICT (actor_id) DO NOTHING RETURNING counter.etag;

-- swap, one row
UPDATE counter SET count=%b::BIGINT, touched=now(), version=(counter.version + 1), etag=%b::UUID, updated_at=now(), schema_version=%b::INTEGER WHERE counter.actor_id = %b::VARCHAR AND counter.etag = %b::UUID RETURNING counter.etag;

-- swap, a batch
UPDATE counter SET count=batch.c2, touched=now(), version=(counter.version + 1), etag=batch.c3, updated_at=now(), schema_version=batch.c4 FROM unnest(%b::TEXT[], %b::UUID[], %b::BIGINT[], %b::UUID[], %b::INTEGER[]) AS batch(c0, c1, c2, c3, c4) WHERE counter.actor_id = batch.c0 AND counter.etag = batch.c1 RETURNING counter.etag;

-- delete, one row
DELETE FROM counter WHERE counter.actor_id = %b::VARCHAR AND counter.etag = %b::UUID RETURNING counter.etag;

-- delete, a batch
DELETE FROM counter USING unnest(%b::TEXT[], %b::UUID[]) AS batch(c0, c1) WHERE counter.actor_id = batch.c0 AND counter.etag = batch.c1 RETURNING counter.etag;

-- whole, one row
SELECT counter.etag, counter.version, counter.schema_version, counter.updated_at, counter.count, counter.created_at
FROM counter
WHERE counter.actor_id = %b::VARCHAR;

-- whole, a batch
SELECT batch.n, counter.etag, counter.version, counter.schema_version, counter.updated_at, counter.count, counter.created_at
FROM unnest(%b::TEXT[]) WITH ORDINALITY AS batch(c0, n) JOIN counter ON counter.actor_id = batch.c0;

-- adopt, one row
INSERT INTO counter (actor_id, count, source, version, etag, created_at, updated_at, schema_version) VALUES (%b::VARCHAR, %b::BIGINT, %b::VARCHAR, %b::BIGINT, %b::UUID, %b::TIMESTAMP WITH TIME ZONE, %b::TIMESTAMP WITH TIME ZONE, %b::INTEGER) ON CONFLICT (actor_id) DO NOTHING RETURNING counter.etag;

-- adopt, a batch
INSERT INTO counter (actor_id, count, source, version, created_at, updated_at, etag, schema_version) SELECT batch.c0, batch.c1, batch.c2, batch.c3, batch.c4, batch.c5, batch.c6, batch.c7
FROM unnest(%b::TEXT[], %b::BIGINT[], %b::TEXT[], %b::BIGINT[], %b::TIMESTAMP WITH TIME ZONE[], %b::TIMESTAMP WITH TIME ZONE[], %b::UUID[], %b::INTEGER[]) AS batch(c0, c1, c2, c3, c4, c5, c6, c7) ON CONFLICT (actor_id) DO NOTHING RETURNING counter.etag;
