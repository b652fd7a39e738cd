-- read, one row
SELECT cart.etag, cart.version, cart.schema_version, cart.updated_at, cart.customer, CAST(cart.items AS TEXT) AS items, cart.total, cart.opened
FROM cart
WHERE cart.actor_id = %b::VARCHAR;

-- read, a batch
SELECT batch.n, cart.etag, cart.version, cart.schema_version, cart.updated_at, cart.customer, CAST(cart.items AS TEXT) AS items, cart.total, cart.opened
FROM unnest(%b::TEXT[]) WITH ORDINALITY AS batch(c0, n) JOIN cart ON cart.actor_id = batch.c0;

-- look, one row
SELECT cart.etag
FROM cart
WHERE cart.actor_id = %b::VARCHAR;

-- look, a batch
SELECT batch.n, cart.etag
FROM unnest(%b::TEXT[]) WITH ORDINALITY AS batch(c0, n) JOIN cart ON cart.actor_id = batch.c0;

-- probe, one row
SELECT cart.etag
FROM cart
WHERE cart.actor_id = %b::VARCHAR;

-- probe, a batch
SELECT batch.n, cart.etag
FROM unnest(%b::TEXT[]) WITH ORDINALITY AS batch(c0, n) JOIN cart ON cart.actor_id = batch.c0;

-- reread, one row
SELECT cart.etag, cart.version, cart.schema_version, cart.updated_at, cart.customer, CAST(cart.items AS TEXT) AS items, cart.total, cart.opened
FROM cart
WHERE cart.actor_id = %b::VARCHAR;

-- reread, a batch
SELECT batch.n, cart.etag, cart.version, cart.schema_version, cart.updated_at, cart.customer, CAST(cart.items AS TEXT) AS items, cart.total, cart.opened
FROM unnest(%b::TEXT[]) WITH ORDINALITY AS batch(c0, n) JOIN cart ON cart.actor_id = batch.c0;

-- lock, one row
SELECT cart.etag
FROM cart
WHERE cart.actor_id = %b::VARCHAR ORDER BY cart.actor_id FOR NO KEY UPDATE OF cart;

-- lock, a batch
SELECT batch.n, cart.etag
FROM unnest(%b::TEXT[]) WITH ORDINALITY AS batch(c0, n) JOIN cart ON cart.actor_id = batch.c0 ORDER BY cart.actor_id FOR NO KEY UPDATE OF cart;

-- list, one row
SELECT cart.actor_id
FROM cart ORDER BY cart.actor_id
 LIMIT %b::BIGINT;

-- list_after, one row
SELECT cart.actor_id
FROM cart
WHERE cart.actor_id > %b::VARCHAR ORDER BY cart.actor_id
 LIMIT %b::BIGINT;

-- count, one row
SELECT count(*) AS count_1
FROM cart;

-- create, one row
INSERT INTO cart (actor_id, customer, items, total, opened, version, etag, created_at, updated_at, schema_version) VALUES (%b::VARCHAR, %b::VARCHAR, CAST(%b::VARCHAR AS JSON), %b, %b::TIMESTAMP WITH TIME ZONE, 1, %b::UUID, now(), now(), %b::INTEGER) ON CONFLICT (actor_id) DO NOTHING RETURNING cart.etag;

-- create, a batch
INSERT INTO cart (actor_id, customer, items, total, opened, etag, schema_version, version, created_at, updated_at) SELECT batch.c0, batch.c1, CAST(batch.c2 AS JSON) AS c2, batch.c3, batch.c4, batch.c5, batch.c6, 1, now() AS now_1, now() AS now__1
FROM unnest(%b::TEXT[], %b::TEXT[], %b::TEXT[], %b::NUMERIC[], %b::TIMESTAMP WITH TIME ZONE[], %b::UUID[], %b::INTEGER[]) AS batch(c0, c1, c2, c3, c4, c5, c6) ON CONFLICT (actor_id) DO NOTHING RETURNING cart.etag;

-- swap, one row
UPDATE cart SET customer=%b::VARCHAR, items=CAST(%b::VARCHAR AS JSON), total=%b, opened=%b::TIMESTAMP WITH TIME ZONE, version=(cart.version + 1), etag=%b::UUID, updated_at=now(), schema_version=%b::INTEGER WHERE cart.actor_id = %b::VARCHAR AND cart.etag = %b::UUID RETURNING cart.etag;

-- swap, a batch
UPDATE cart SET customer=batch.c2, items=CAST(batch.c3 AS JSON), total=batch.c4, opened=batch.c5, version=(cart.version + 1), etag=batch.c6, updated_at=now(), schema_version=batch.c7 FROM unnest(%b::TEXT[], %b::UUID[], %b::TEXT[], %b::TEXT[], %b::NUMERIC[], %b::TIMESTAMP WITH TIME ZONE[], %b::UUID[], %b::INTEGER[]) AS batch(c0, c1, c2, c3, c4, c5, c6, c7) WHERE cart.actor_id = batch.c0 AND cart.etag = batch.c1 RETURNING cart.etag;

-- delete, one row
DELETE FROM cart WHERE cart.actor_id = %b::VARCHAR AND cart.etag = %b::UUID RETURNING cart.etag;

-- delete, a batch
DELETE FROM cart USING unnest(%b::TEXT[], %b::UUID[]) AS batch(c0, c1) WHERE cart.actor_id = batch.c0 AND cart.etag = batch.c1 RETURNING cart.etag;

-- whole, one row
SELECT cart.etag, cart.version, cart.schema_version, cart.updated_at, cart.customer, CAST(cart.items AS TEXT) AS items, cart.total, cart.opened, cart.created_at
FROM cart
WHERE cart.actor_id = %b::VARCHAR;

-- whole, a batch
SELECT batch.n, cart.etag, cart.version, cart.schema_version, cart.updated_at, cart.customer, CAST(cart.items AS TEXT) AS items, cart.total, cart.opened, cart.created_at
FROM unnest(%b::TEXT[]) WITH ORDINALITY AS batch(c0, n) JOIN cart ON cart.actor_id = batch.c0;

-- adopt, one row
INSERT INTO cart (actor_id, customer, items, total, opened, version, etag, created_at, updated_at, schema_version) VALUES (%b::VARCHAR, %b::VARCHAR, CAST(%b::VARCHAR AS JSON), %b, %b::TIMESTAMP WITH TIME ZONE, %b::BIGINT, %b::UUID, %b::TIMESTAMP WITH TIME ZONE, %b::TIMESTAMP WITH TIME ZONE, %b::INTEGER) ON CONFLICT (actor_id) DO NOTHING RETURNING cart.etag;

-- adopt, a batch
INSERT INTO cart (actor_id, customer, items, total, opened, version, created_at, updated_at, etag, schema_version) SELECT batch.c0, batch.c1, CAST(batch.c2 AS JSON) AS c2, batch.c3, batch.c4, batch.c5, batch.c6, batch.c7, batch.c8, batch.c9
FROM unnest(%b::TEXT[], %b::TEXT[], %b::TEXT[], %b::NUMERIC[], %b::TIMESTAMP WITH TIME ZONE[], %b::BIGINT[], %b::TIMESTAMP WITH TIME ZONE[], %b::TIMESTAMP WITH TIME ZONE[], %b::UUID[], %b::INTEGER[]) AS batch(c0, c1, c2, c3, c4, c5, c6, c7, c8, c9) ON CONFLICT (actor_id) DO NOTHING RETURNING cart.etag;
