-- read, one row
SELECT seat.etag, seat.version, seat.schema_version, seat.updated_at, seat.taken
FROM seat
WHERE seat.actor_id_1 = ? AND seat.actor_id_2 = ? AND seat.actor_id_3 = ?;

-- look, one row
SELECT seat.etag
FROM seat
WHERE seat.actor_id_1 = ? AND seat.actor_id_2 = ? AND seat.actor_id_3 = ?;

-- probe, one row
SELECT seat.etag
FROM seat
WHERE seat.actor_id_1 = ? AND seat.actor_id_2 = ? AND seat.actor_id_3 = ?;

-- reread, one row
SELECT seat.etag, seat.version, seat.schema_version, seat.updated_at, seat.taken
FROM seat
WHERE seat.actor_id_1 = ? AND seat.actor_id_2 = ? AND seat.actor_id_3 = ?;

-- lock, one row
SELECT seat.etag
FROM seat
WHERE seat.actor_id_1 = ? AND seat.actor_id_2 = ? AND seat.actor_id_3 = ? ORDER BY seat.actor_id_1, seat.actor_id_2, seat.actor_id_3;

-- list, one row
SELECT seat.actor_id_1, seat.actor_id_2, seat.actor_id_3
FROM seat ORDER BY seat.actor_id_1, seat.actor_id_2, seat.actor_id_3
 LIMIT ? OFFSET ?;

-- list_after, one row
SELECT seat.actor_id_1, seat.actor_id_2, seat.actor_id_3
FROM seat
WHERE (seat.actor_id_1, seat.actor_id_2, seat.actor_id_3) > (?, ?, ?) ORDER BY seat.actor_id_1, seat.actor_id_2, seat.actor_id_3
 LIMIT ? OFFSET ?;

-- count, one row
SELECT count(*) AS count_1
FROM seat;

-- create, one row
INSERT INTO seat (actor_id_1, actor_id_2, actor_id_3, taken, version, etag, created_at, updated_at, schema_version) VALUES (?, ?, ?, ?, 1, ?, strftime('%Y-%m-%dT%H:%M:%f000+00:00', 'now'), strftime('%Y-%m-%dT%H:%M:%f000+00:00', 'now'), ?) ON CONFLICT (actor_id_1, actor_id_2, actor_id_3) DO NOTHING RETURNING etag;

-- create, a batch
INSERT INTO seat (actor_id_1, actor_id_2, actor_id_3, taken, version, etag, created_at, updated_at, schema_version) VALUES (?, ?, ?, ?, 1, ?, strftime('%Y-%m-%dT%H:%M:%f000+00:00', 'now'), strftime('%Y-%m-%dT%H:%M:%f000+00:00', 'now'), ?) ON CONFLICT (actor_id_1, actor_id_2, actor_id_3) DO NOTHING;

-- swap, one row
UPDATE seat SET taken=?, version=(seat.version + 1), etag=?, updated_at=strftime('%Y-%m-%dT%H:%M:%f000+00:00', 'now'), schema_version=? WHERE seat.actor_id_1 = ? AND seat.actor_id_2 = ? AND seat.actor_id_3 = ? AND seat.etag = ? RETURNING etag;

-- swap, a batch
UPDATE seat SET taken=?, version=(seat.version + 1), etag=?, updated_at=strftime('%Y-%m-%dT%H:%M:%f000+00:00', 'now'), schema_version=? WHERE seat.actor_id_1 = ? AND seat.actor_id_2 = ? AND seat.actor_id_3 = ? AND seat.etag = ?;

-- delete, one row
DELETE FROM seat WHERE seat.actor_id_1 = ? AND seat.actor_id_2 = ? AND seat.actor_id_3 = ? AND seat.etag = ? RETURNING etag;

-- delete, a batch
DELETE FROM seat WHERE seat.actor_id_1 = ? AND seat.actor_id_2 = ? AND seat.actor_id_3 = ? AND seat.etag = ?;

-- whole, one row
SELECT seat.etag, seat.version, seat.schema_version, seat.updated_at, seat.taken, seat.created_at
FROM seat
WHERE seat.actor_id_1 = ? AND seat.actor_id_2 = ? AND seat.actor_id_3 = ?;

-- adopt, one row
INSERT INTO seat (actor_id_1, actor_id_2, actor_id_3, taken, version, etag, created_at, updated_at, schema_version) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (actor_id_1, actor_id_2, actor_id_3) DO NOTHING RETURNING etag;

-- adopt, a batch
INSERT INTO seat (actor_id_1, actor_id_2, actor_id_3, taken, version, etag, created_at, updated_at, schema_version) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (actor_id_1, actor_id_2, actor_id_3) DO NOTHING;
