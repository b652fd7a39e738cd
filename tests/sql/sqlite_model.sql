-- read, one row
SELECT counter.etag, counter.version, counter.schema_version, counter.updated_at, counter.count
FROM counter
WHERE counter.actor_id = ?;

-- look, one row
SELECT counter.etag
FROM counter
WHERE counter.actor_id = ?;

-- probe, one row
SELECT counter.etag
FROM counter
WHERE counter.actor_id = ?;

-- reread, one row
SELECT counter.etag, counter.version, counter.schema_version, counter.updated_at, counter.count
FROM counter
WHERE counter.actor_id = ?;

-- lock, one row
SELECT counter.etag
FROM counter
WHERE counter.actor_id = ? ORDER BY counter.actor_id;

-- list, one row
SELECT counter.actor_id
FROM counter ORDER BY counter.actor_id
 LIMIT ? OFFSET ?;

-- list_after, one row
SELECT counter.actor_id
FROM counter
WHERE counter.actor_id > ? ORDER BY counter.actor_id
 LIMIT ? OFFSET ?;

-- count, one row
SELECT count(*) AS count_1
FROM counter;

-- create, one row
INSERT INTO counter (actor_id, count, source, version, etag, created_at, updated_at, schema_version) VALUES (?, ?, ?, 1, ?, strftime('%Y-%m-%dT%H:%M:%f000+00:00', 'now'), strftime('%Y-%m-%dT%H:%M:%f000+00:00', 'now'), ?) ON CONFLICT (actor_id) DO NOTHING RETURNING etag;

-- create, a batch
INSERT INTO counter (actor_id, count, source, version, etag, created_at, updated_at, schema_version) VALUES (?, ?, ?, 1, ?, strftime('%Y-%m-%dT%H:%M:%f000+00:00', 'now'), strftime('%Y-%m-%dT%H:%M:%f000+00:00', 'now'), ?) ON CONFLICT (actor_id) DO NOTHING;

-- swap, one row
UPDATE counter SET count=?, touched=CURRENT_TIMESTAMP, version=(counter.version + 1), etag=?, updated_at=strftime('%Y-%m-%dT%H:%M:%f000+00:00', 'now'), schema_version=? WHERE counter.actor_id = ? AND counter.etag = ? RETURNING etag;

-- swap, a batch
UPDATE counter SET count=?, touched=CURRENT_TIMESTAMP, version=(counter.version + 1), etag=?, updated_at=strftime('%Y-%m-%dT%H:%M:%f000+00:00', 'now'), schema_version=? WHERE counter.actor_id = ? AND counter.etag = ?;

-- delete, one row
DELETE FROM counter WHERE counter.actor_id = ? AND counter.etag = ? RETURNING etag;

-- delete, a batch
DELETE FROM counter WHERE counter.actor_id = ? AND counter.etag = ?;

-- whole, one row
SELECT counter.etag, counter.version, counter.schema_version, counter.updated_at, counter.count, counter.created_at
FROM counter
WHERE counter.actor_id = ?;

-- adopt, one row
INSERT INTO counter (actor_id, count, source, version, etag, created_at, updated_at, schema_version) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (actor_id) DO NOTHING RETURNING etag;

-- adopt, a batch
INSERT INTO counter (actor_id, count, source, version, etag, created_at, updated_at, schema_version) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (actor_id) DO NOTHING;
