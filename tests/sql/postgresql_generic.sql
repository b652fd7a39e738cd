-- read, one row
SELECT theater_actor.etag, theater_actor.version, theater_actor.schema_version, theater_actor.updated_at, CAST(theater_actor.state AS TEXT) AS state
FROM theater_actor
WHERE theater_actor.actor_type = %b::VARCHAR AND theater_actor.actor_id = %b::VARCHAR;

-- read, a batch
SELECT batch.n, theater_actor.etag, theater_actor.version, theater_actor.schema_version, theater_actor.updated_at, CAST(theater_actor.state AS TEXT) AS state
FROM unnest(%b::TEXT[], %b::TEXT[]) WITH ORDINALITY AS batch(c0, c1, n) JOIN theater_actor ON theater_actor.actor_type = batch.c0 AND theater_actor.actor_id = batch.c1;

-- look, one row
SELECT theater_actor.etag
FROM theater_actor
WHERE theater_actor.actor_type = %b::VARCHAR AND theater_actor.actor_id = %b::VARCHAR;

-- look, a batch
SELECT batch.n, theater_actor.etag
FROM unnest(%b::TEXT[], %b::TEXT[]) WITH ORDINALITY AS batch(c0, c1, n) JOIN theater_actor ON theater_actor.actor_type = batch.c0 AND theater_actor.actor_id = batch.c1;

-- probe, one row
SELECT theater_actor.etag
FROM theater_actor
WHERE theater_actor.actor_type = %b::VARCHAR AND theater_actor.actor_id = %b::VARCHAR;

-- probe, a batch
SELECT batch.n, theater_actor.etag
FROM unnest(%b::TEXT[], %b::TEXT[]) WITH ORDINALITY AS batch(c0, c1, n) JOIN theater_actor ON theater_actor.actor_type = batch.c0 AND theater_actor.actor_id = batch.c1;

-- reread, one row
SELECT theater_actor.etag, theater_actor.version, theater_actor.schema_version, theater_actor.updated_at, CAST(theater_actor.state AS TEXT) AS state
FROM theater_actor
WHERE theater_actor.actor_type = %b::VARCHAR AND theater_actor.actor_id = %b::VARCHAR;

-- reread, a batch
SELECT batch.n, theater_actor.etag, theater_actor.version, theater_actor.schema_version, theater_actor.updated_at, CAST(theater_actor.state AS TEXT) AS state
FROM unnest(%b::TEXT[], %b::TEXT[]) WITH ORDINALITY AS batch(c0, c1, n) JOIN theater_actor ON theater_actor.actor_type = batch.c0 AND theater_actor.actor_id = batch.c1;

-- lock, one row
SELECT theater_actor.etag
FROM theater_actor
WHERE theater_actor.actor_type = %b::VARCHAR AND theater_actor.actor_id = %b::VARCHAR ORDER BY theater_actor.actor_type, theater_actor.actor_id FOR NO KEY UPDATE OF theater_actor;

-- lock, a batch
SELECT batch.n, theater_actor.etag
FROM unnest(%b::TEXT[], %b::TEXT[]) WITH ORDINALITY AS batch(c0, c1, n) JOIN theater_actor ON theater_actor.actor_type = batch.c0 AND theater_actor.actor_id = batch.c1 ORDER BY theater_actor.actor_type, theater_actor.actor_id FOR NO KEY UPDATE OF theater_actor;

-- list, one row
SELECT theater_actor.actor_id
FROM theater_actor
WHERE theater_actor.actor_type = %b::VARCHAR ORDER BY theater_actor.actor_id
 LIMIT %b::BIGINT;

-- list_after, one row
SELECT theater_actor.actor_id
FROM theater_actor
WHERE theater_actor.actor_type = %b::VARCHAR AND theater_actor.actor_id > %b::VARCHAR ORDER BY theater_actor.actor_id
 LIMIT %b::BIGINT;

-- count, one row
SELECT count(*) AS count_1
FROM theater_actor
WHERE theater_actor.actor_type = %b::VARCHAR;

-- create, one row
INSERT INTO theater_actor (actor_type, actor_id, state, version, etag, created_at, updated_at, schema_version) VALUES (%b::VARCHAR, %b::VARCHAR, CAST(%b::VARCHAR AS JSON), 1, %b::UUID, now(), now(), %b::INTEGER) ON CONFLICT (actor_type, actor_id) DO NOTHING RETURNING theater_actor.etag;

-- create, a batch
INSERT INTO theater_actor (actor_type, actor_id, state, etag, schema_version, version, created_at, updated_at) SELECT batch.c0, batch.c1, CAST(batch.c2 AS JSON) AS c2, batch.c3, batch.c4, 1, now() AS now_1, now() AS now__1
FROM unnest(%b::TEXT[], %b::TEXT[], %b::TEXT[], %b::UUID[], %b::INTEGER[]) AS batch(c0, c1, c2, c3, c4) ON CONFLICT (actor_type, actor_id) DO NOTHING RETURNING theater_actor.etag;

-- swap, one row
UPDATE theater_actor SET state=CAST(%b::VARCHAR AS JSON), version=(theater_actor.version + 1), etag=%b::UUID, updated_at=now(), schema_version=%b::INTEGER WHERE theater_actor.actor_type = %b::VARCHAR AND theater_actor.actor_id = %b::VARCHAR AND theater_actor.etag = %b::UUID RETURNING theater_actor.etag;

-- swap, a batch
UPDATE theater_actor SET state=CAST(batch.c3 AS JSON), version=(theater_actor.version + 1), etag=batch.c4, updated_at=now(), schema_version=batch.c5 FROM unnest(%b::TEXT[], %b::TEXT[], %b::UUID[], %b::TEXT[], %b::UUID[], %b::INTEGER[]) AS batch(c0, c1, c2, c3, c4, c5) WHERE theater_actor.actor_type = batch.c0 AND theater_actor.actor_id = batch.c1 AND theater_actor.etag = batch.c2 RETURNING theater_actor.etag;

-- delete, one row
DELETE FROM theater_actor WHERE theater_actor.actor_type = %b::VARCHAR AND theater_actor.actor_id = %b::VARCHAR AND theater_actor.etag = %b::UUID RETURNING theater_actor.etag;

-- delete, a batch
DELETE FROM theater_actor USING unnest(%b::TEXT[], %b::TEXT[], %b::UUID[]) AS batch(c0, c1, c2) WHERE theater_actor.actor_type = batch.c0 AND theater_actor.actor_id = batch.c1 AND theater_actor.etag = batch.c2 RETURNING theater_actor.etag;

-- whole, one row
SELECT theater_actor.etag, theater_actor.version, theater_actor.schema_version, theater_actor.updated_at, CAST(theater_actor.state AS TEXT) AS state, theater_actor.created_at
FROM theater_actor
WHERE theater_actor.actor_type = %b::VARCHAR AND theater_actor.actor_id = %b::VARCHAR;

-- whole, a batch
SELECT batch.n, theater_actor.etag, theater_actor.version, theater_actor.schema_version, theater_actor.updated_at, CAST(theater_actor.state AS TEXT) AS state, theater_actor.created_at
FROM unnest(%b::TEXT[], %b::TEXT[]) WITH ORDINALITY AS batch(c0, c1, n) JOIN theater_actor ON theater_actor.actor_type = batch.c0 AND theater_actor.actor_id = batch.c1;

-- adopt, one row
INSERT INTO theater_actor (actor_type, actor_id, state, version, etag, created_at, updated_at, schema_version) VALUES (%b::VARCHAR, %b::VARCHAR, CAST(%b::VARCHAR AS JSON), %b::BIGINT, %b::UUID, %b::TIMESTAMP WITH TIME ZONE, %b::TIMESTAMP WITH TIME ZONE, %b::INTEGER) ON CONFLICT (actor_type, actor_id) DO NOTHING RETURNING theater_actor.etag;

-- adopt, a batch
INSERT INTO theater_actor (actor_type, actor_id, state, version, created_at, updated_at, etag, schema_version) SELECT batch.c0, batch.c1, CAST(batch.c2 AS JSON) AS c2, batch.c3, batch.c4, batch.c5, batch.c6, batch.c7
FROM unnest(%b::TEXT[], %b::TEXT[], %b::TEXT[], %b::BIGINT[], %b::TIMESTAMP WITH TIME ZONE[], %b::TIMESTAMP WITH TIME ZONE[], %b::UUID[], %b::INTEGER[]) AS batch(c0, c1, c2, c3, c4, c5, c6, c7) ON CONFLICT (actor_type, actor_id) DO NOTHING RETURNING theater_actor.etag;
