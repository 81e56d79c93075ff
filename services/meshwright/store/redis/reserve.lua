-- Take a place in a set that has a limit. KEYS: the set. ARGV: member, time in microseconds, members at most or 0.
-- Gives 1, or 0 where the set is full.
local limit = tonumber(ARGV[3])
if limit > 0 and redis.call("ZCARD", KEYS[1]) >= limit and not redis.call("ZSCORE", KEYS[1], ARGV[1]) then
  return 0
end
redis.call("ZADD", KEYS[1], ARGV[2], ARGV[1])
return 1
