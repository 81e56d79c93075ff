-- Count what a run has used so far; saying the same again, or less, changes nothing.
-- KEYS: what was counted of the run, the sum of the day. ARGV: tokens of the run in all, seconds to keep both.
local before = tonumber(redis.call("GET", KEYS[1]) or "0")
local all = tonumber(ARGV[1])
if all > before then
  redis.call("SET", KEYS[1], ARGV[1], "EX", ARGV[2])
  redis.call("INCRBY", KEYS[2], string.format("%.0f", all - before))
  redis.call("EXPIRE", KEYS[2], ARGV[2])
end
return all
