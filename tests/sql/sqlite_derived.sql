-- read, one row
SELECT cart.etag, cart.version, cart.schema_version, cart.updated_at, cart.customer, cart.items, cart.total, cart.opened
FROM cart
WHERE cart.actor_id = ?;

-- look, one row
SELECT cart.etag
FROM cart
WHERE cart.actor_id = ?;

-- probe, one row
SELECT cart.etag
FROM cart
WHERE cart.actor_id = ?;

-- reread, one row
SELECT cart.etag, cart.version, cart.schema_version, cart.updated_at, cart.customer, cart.items, cart.total, cart.opened
FROM cart
WHERE cart.actor_id = ?;

-- lock, one row
SELECT cart.etag
FROM cart
WHERE cart.actor_id = ? ORDER BY cart.actor_id;

-- list, one row
SELECT cart.actor_id
FROM cart ORDER BY cart.actor_id
 LIMIT ? OFFSET ?;

-- list_after, one row
SELECT cart.actor_id
FROM cart
WHERE cart.actor_id > ? ORDER BY cart.actor_id
 LIMIT ? OFFSET ?;

-- count, one row
SELECT count(*) AS count_1
FROM cart;

-- create, one row
INSERT INTO cart (actor_id, customer, items, total, opened, version, etag, created_at, updated_at, schema_version) VALUES (?, ?, ?, ?, ?, 1, ?, strftime('%Y-%m-%dT%H:%M:%f000+00:00', 'now'), strftime('%Y-%m-%dT%H:%M:%f000+00:00', 'now'), ?) ON CONFLICT (actor_id) DO NOTHING RETURNING etag;

-- create, a batch
INSERT INTO cart (actor_id, customer, items, total, opened, version, etag, created_at, updated_at, schema_version) VALUES (?, ?, ?, ?, ?, 1, ?, strftime('%Y-%m-%dT%H:%M:%f000+00:00', 'now'), strftime('%Y-%m-%dT%H:%M:%f000+00:00', 'now'), ?) ON CONFLICT (actor_id) DO NOTHING;

-- swap, one row
UPDATE cart SET customer=?, items=?, total=?, opened=?, version=(cart.version + 1), etag=?, updated_at=strftime('%Y-%m-%dT%H:%M:%f000+00:00', 'now'), schema_version=? WHERE cart.actor_id = ? AND cart.etag = ? RETURNING etag;

-- swap, a batch
UPDATE cart SET customer=?, items=?, total=?, opened=?, version=(cart.version + 1), etag=?, updated_at=strftime('%Y-%m-%dT%H:%M:%f000+00:00', 'now'), schema_version=? WHERE cart.actor_id = ? AND cart.etag = ?;

-- delete, one row
DELETE FROM cart WHERE cart.actor_id = ? AND cart.etag = ? RETURNING etag;

-- delete, a batch
DELETE FROM cart WHERE cart.actor_id = ? AND cart.etag = ?;

-- whole, one row
SELECT cart.etag, cart.version, cart.schema_version, cart.updated_at, cart.customer, cart.items, cart.total, cart.opened, cart.created_at
FROM cart
WHERE cart.actor_id = ?;

-- adopt, one row
INSERT INTO cart (actor_id, customer, items, total, opened, version, etag, created_at, updated_at, schema_version) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (actor_id) DO NOTHING RETURNING etag;

-- adopt, a batch
INSERT INTO cart (actor_id, customer, items, total, opened, version, etag, created_at, updated_at, schema_version) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (actor_id) DO NOTHING;
