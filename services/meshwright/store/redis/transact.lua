-- One transaction on one session: check the guards, append the events, set the fields, tell those who listen.
-- KEYS: state, log, runs, open, approvals, pending, children, and where there is a request id, its answer.
-- ARGV: the plan (MessagePack), the drafts (see wire.py), the channel of the session, the channel of signals, then texts that are not
-- UTF-8: the plan has their places instead.
-- Gives {"done", first sequence, answer}, {"answered", answer} or {code of the guard that failed}.
local state, log = KEYS[1], KEYS[2]
local plan = cmsgpack.unpack(ARGV[1])
local operation = plan.writer .. ":" .. string.format("%.0f", plan.number)

local drafts, position = {}, 1
while position <= #ARGV[2] do
  local kind, run, payload, body = struct.unpack(">I2I2I4", ARGV[2], position)
  local middle = body + run
  drafts[#drafts + 1] = {kind, string.sub(ARGV[2], body, middle - 1), string.sub(ARGV[2], middle, middle + payload - 1)}
  position = middle + payload
end

local function text(value)
  return type(value) == "number" and ARGV[value] or value
end

local function varint(value)
  local out = {}
  while value >= 128 do
    out[#out + 1] = string.char(value % 128 + 128)
    value = math.floor(value / 128)
  end
  out[#out + 1] = string.char(value)
  return table.concat(out)
end

-- A message with the sequence that it gets by the index of a draft, where the first draft has this one.
local function place(record, first)
  if #text(record[2]) == 0 then
    return text(record[1])
  end
  return text(record[1]) .. text(record[2]) .. varint(first + record[3])
end

local function answer_at(first)
  return plan.answer and place(plan.answer, first) or ""
end

-- A writer numbers its transactions. One that comes again because its answer was lost, or late from a connection that was given up,
-- finds its number taken and its events in the log.
local function appended_before()
  local from = "+"
  for _ = 1, 200 do
    local entries = redis.call("XREVRANGE", log, from, "-", "COUNT", 50)
    for _, entry in ipairs(entries) do
      if entry[2][8] == operation then
        return tonumber(string.match(entry[1], "^%d+"))
      end
    end
    if #entries == 0 then
      return nil
    end
    from = "(" .. entries[#entries][1]
  end
end

-- Replicas come and go. What one that has been silent for an hour had sent cannot come again, so its number is of no use any more.
local function forget_old_writers()
  local names = {}
  local listed = redis.call("HGET", state, "writers")
  if listed then
    for name in string.gmatch(listed, "%S+") do
      names[#names + 1] = name
    end
  else
    for _, field in ipairs(redis.call("HKEYS", state)) do
      names[#names + 1] = string.match(field, "^writer/(.+)$")
    end
  end
  local kept = {plan.writer}
  for _, name in ipairs(names) do
    local used = redis.call("HGET", state, "used/" .. name)
    if not used then
      redis.call("HSET", state, "used/" .. name, plan.time)
    end
    if used and tonumber(plan.time) - tonumber(used) > 3600000000 then
      redis.call("HDEL", state, "writer/" .. name, "used/" .. name)
    elseif name ~= plan.writer then
      kept[#kept + 1] = name
    end
  end
  redis.call("HSET", state, "writers", table.concat(kept, " "))
end

if KEYS[8] then
  local answer = redis.call("GET", KEYS[8])
  if answer then
    return {"answered", answer}
  end
end
local exists = redis.call("EXISTS", state) == 1
if not exists and plan.absent then
  return {plan.absent}
end
local mark = "writer/" .. plan.writer
local noted = redis.call("HGET", state, mark)
local seen = tonumber(noted or "0")
local repeated = #drafts > 0 and plan.number <= seen
if repeated then
  local first = appended_before()
  if first then
    return {"done", first, answer_at(first)}
  end
elseif plan.number > seen then
  redis.call("HSET", state, mark, string.format("%.0f", plan.number), "used/" .. plan.writer, plan.time)
  if not noted then
    forget_old_writers()
  end
end
for _, guard in ipairs(plan.guards or {}) do
  if (redis.call("HGET", state, guard[1]) or "") ~= text(guard[2]) then
    return {guard[3]}
  end
end
if repeated then
  return {"moved"}
end

local first = tonumber(redis.call("HGET", state, "last") or "0") + 1
local answer = answer_at(first)
if KEYS[8] and plan.answer then
  redis.call("SET", KEYS[8], answer, "EX", plan.kept)
end
if plan.drop then
  redis.call("DEL", KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7])
end
for index, draft in ipairs(drafts) do
  local id = string.format("%.0f-0", first + index - 1)
  redis.call("XADD", log, id, "k", draft[1], "r", draft[2], "p", draft[3], "o", index == 1 and operation or "")
end
if #drafts > 0 then
  redis.call("HSET", state, "last", string.format("%.0f", first + #drafts - 1), "updated", plan.time)
end
for field, value in pairs(plan.values or {}) do
  redis.call("HSET", state, field, text(value))
end
for field, value in pairs(plan.defaults or {}) do
  redis.call("HSETNX", state, field, value)
end
for _, record in ipairs(plan.placed or {}) do
  redis.call("HSET", state, record[1], place({record[2], record[3], record[4]}, first))
end
for field, count in pairs(plan.counts or {}) do
  redis.call("HINCRBY", state, field, string.format("%.0f", count))
end
if plan.currency then
  local held = redis.call("HGET", state, "usage/currency") or ""
  if held == "" or held == plan.currency then
    redis.call("HSET", state, "usage/currency", plan.currency)
    redis.call("HINCRBY", state, "usage/cost_micros", string.format("%.0f", plan.cost or 0))
  end
end
for _, member in ipairs(plan.added or {}) do
  local ordinal = redis.call("HINCRBY", state, "ordinals", 1)
  for index = 2, #member do
    redis.call("ZADD", KEYS[member[index]], ordinal, member[1])
  end
end
for _, member in ipairs(plan.removed or {}) do
  redis.call("ZREM", KEYS[member[2]], member[1])
end
if plan.begin then
  redis.call("XTRIM", log, "MINID", plan.begin)
end
if #drafts > 0 then
  redis.call("PUBLISH", ARGV[3], plan.writer .. string.format("%016x", first) .. ARGV[2])
end
if plan.signal then
  redis.call("PUBLISH", ARGV[4], text(plan.signal))
end
return {"done", first, answer}
