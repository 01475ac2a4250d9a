-- SPDX-License-Identifier: MIT
-- clickhouse-client < clickhouse.sql. A record that comes twice has the same key; ask with FINAL for
-- what holds before the merge:
--	SELECT action, count() FROM mmfence FINAL WHERE time > now() - 3600 GROUP BY action
CREATE TABLE IF NOT EXISTS mmfence (
	host LowCardinality(String),
	time DateTime64(6, 'UTC'),
	action LowCardinality(String),
	outcome LowCardinality(String),
	program LowCardinality(String),
	pid UInt32,
	sequence UInt64,
	record String
) ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (host, time, pid, sequence);
