-- Have a session looked at by a time. Where that is so already, it moves by a microsecond only: whoever is looking at it now learns that
-- there is something new, and nobody makes it wait longer by asking again.
-- KEYS: the schedule. ARGV: session, time in microseconds.
local time = tonumber(ARGV[2])
local held = tonumber(redis.call("ZSCORE", KEYS[1], ARGV[1]) or nil)
if held and held <= time then
  time = held - 1
end
return redis.call("ZADD", KEYS[1], string.format("%.0f", time), ARGV[1])
