-- read, one row
SELECT theater_actor.etag, theater_actor.version, theater_actor.schema_version, theater_actor.updated_at, theater_actor.state
FROM theater_actor
WHERE theater_actor.actor_type = ? AND theater_actor.actor_id = ?;

-- look, one row
SELECT theater_actor.etag
FROM theater_actor
WHERE theater_actor.actor_type = ? AND theater_actor.actor_id = ?;

-- probe, one row
SELECT theater_actor.etag
FROM theater_actor
WHERE theater_actor.actor_type = ? AND theater_actor.actor_id = ?;

-- reread, one row
SELECT theater_actor.etag, theater_actor.version, theater_actor.schema_version, theater_actor.updated_at, theater_actor.state
FROM theater_actor
WHERE theater_actor.actor_type = ? AND theater_actor.actor_id = ?;

-- lock, one row
SELECT theater_actor.etag
FROM theater_actor
WHERE theater_actor.actor_type = ? AND theater_actor.actor_id = ? ORDER BY theater_actor.actor_type, theater_actor.actor_id;

-- list, one row
SELECT theater_actor.actor_id
FROM theater_actor
WHERE theater_actor.actor_type = ? ORDER BY theater_actor.actor_id
 LIMIT ? OFFSET ?;

-- list_after, one row
SELECT theater_actor.actor_id
FROM theater_actor
WHERE theater_actor.actor_type = ? AND theater_actor.actor_id > ? ORDER BY theater_actor.actor_id
 LIMIT ? OFFSET ?;

-- count, one row
SELECT count(*) AS count_1
FROM theater_actor
WHERE theater_actor.actor_type = ?;

-- create, one row
INSERT INTO theater_actor (actor_type, actor_id, state, version, etag, created_at, updated_at, schema_version) VALUES (?, ?, ?, 1, ?, strftime('%Y-%m-%dT%H:%M:%f000+00:00', 'now'), strftime('%Y-%m-%dT%H:%M:%f000+00:00', 'now'), ?) ON CONFLICT (actor_type, actor_id) DO NOTHING RETURNING etag;

-- create, a batch
INSERT INTO theater_actor (actor_type, actor_id, state, version, etag, created_at, updated_at, schema_version) VALUES (?, ?, ?, 1, ?, strftime('%Y-%m-%dT%H:%M:%f000+00:00', 'now'), strftime('%Y-%m-%dT%H:%M:%f000+00:00', 'now'), ?) ON CONFLICT (actor_type, actor_id) DO NOTHING;

-- swap, one row
UPDATE theater_actor SET state=?, version=(theater_actor.version + 1), etag=?, updated_at=strftime('%Y-%m-%dT%H:%M:%f000+00:00', 'now'), schema_version=? WHERE theater_actor.actor_type = ? AND theater_actor.actor_id = ? AND theater_actor.etag = ? RETURNING etag;

-- swap, a batch
UPDATE theater_actor SET state=?, version=(theater_actor.version + 1), etag=?, updated_at=strftime('%Y-%m-%dT%H:%M:%f000+00:00', 'now'), schema_version=? WHERE theater_actor.actor_type = ? AND theater_actor.actor_id = ? AND theater_actor.etag = ?;

-- delete, one row
DELETE FROM theater_actor WHERE theater_actor.actor_type = ? AND theater_actor.actor_id = ? AND theater_actor.etag = ? RETURNING etag;

-- delete, a batch
DELETE FROM theater_actor WHERE theater_actor.actor_type = ? AND theater_actor.actor_id = ? AND theater_actor.etag = ?;

-- whole, one row
SELECT theater_actor.etag, theater_actor.version, theater_actor.schema_version, theater_actor.updated_at, theater_actor.state, theater_actor.created_at
FROM theater_actor
WHERE theater_actor.actor_type = ? AND theater_actor.actor_id = ?;

-- adopt, one row
INSERT INTO theater_actor (actor_type, actor_id, state, version, etag, created_at, updated_at, schema_version) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (actor_type, actor_id) DO NOTHING RETURNING etag;

-- adopt, a batch
INSERT INTO theater_actor (actor_type, actor_id, state, version, etag, created_at, updated_at, schema_version) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (actor_type, actor_id) DO NOTHING;
