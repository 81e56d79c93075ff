-- Say when to look at a session again, or not at all, unless somebody else has said so since.
-- KEYS: the schedule. ARGV: session, score that was read, new score or nothing.
if redis.call("ZSCORE", KEYS[1], ARGV[1]) ~= ARGV[2] then
  return 0
end
if ARGV[3] == "" then
  return redis.call("ZREM", KEYS[1], ARGV[1])
end
redis.call("ZADD", KEYS[1], ARGV[3], ARGV[1])
return 1
