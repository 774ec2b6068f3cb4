"""What the Redis store does to kept deliveries: one Lua script each, over keys of one slot.

All of the inbox lies in one slot of a Redis Cluster, so that a row and its places in the indexes
change at once: nothing comes between, and nobody sees one without the other.
"""

from typing import Final

from .scripts import Script

# KEYS: rows and contents are hashes by id, `ids` a sorted set in the order of ids; the others are
# sorted sets of one boundary: due by the moment from when on a worker may take it, since by its
# receipt, dead, parked and done by the moment of that. A content stands alone, since it is written
# once, and a row at each taking.
# ARGV[1] and [2] as in `scripts`. A row is packed by its fields' numbers; a later version may add
# some. Out of memory Redis refuses the first write of a script or none, so that comes first which
# takes memory; and an index before its row: an entry without a row is dropped by whoever finds it.
_INBOX: Final = """
local ROWS, CONTENTS, IDS, DUE_AT, SINCE, DEAD_AT, PARKED_AT, DONE_AT = unpack(KEYS)
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
if tonumber(ARGV[1]) < now then return {now, 'late'} end
local STATE, TOKEN, ATTEMPTS, DUE, CHANGED, RECEIVED, BYTES = 1, 2, 3, 4, 5, 6, 7
local CODE, CROSSING, LAST, CALL, BOUNDARY = 8, 9, 10, 11, 12
local HOME = {[0] = DUE_AT, DUE_AT, DONE_AT, DEAD_AT, PARKED_AT}

-- The row; nil where there is none; false where nobody can read it.
local function read(id)
  local raw = redis.call('HGET', ROWS, id)
  if not raw then return nil end
  local is_whole, row = pcall(cmsgpack.unpack, raw)
  if not is_whole or type(row) ~= 'table' then return false end
  for field = STATE, BOUNDARY do
    if type(row[field]) ~= (field <= BYTES and 'number' or 'string') then return false end
  end
  return row
end

local function write(id, row)
  local home = HOME[row[STATE]]
  redis.call('ZADD', home, home == DUE_AT and row[DUE] or row[CHANGED], id)
  if home == DUE_AT then redis.call('ZADD', SINCE, row[RECEIVED], id) end
  redis.call('HSET', ROWS, id, cmsgpack.pack(row))
  for _, other in ipairs({DUE_AT, DEAD_AT, PARKED_AT, DONE_AT}) do
    if other ~= home then redis.call('ZREM', other, id) end
  end
  if home ~= DUE_AT then redis.call('ZREM', SINCE, id) end
end

-- The server's microseconds, or one more than the last: a failover that forgets a taking gives no
-- token twice.
local function next_token(row) return math.max(t[1] * 1000000 + t[2], row[TOKEN] + 1) end
local function is_pending(row) return row[STATE] == 0 or row[STATE] == 1 end
local function told(id, row)
  if not row then return {id, -1, 0, '', 0, 0, '', '', '', ''} end
  return {id, row[STATE], row[ATTEMPTS], row[RECEIVED], row[BYTES], row[DUE] - now, row[CODE],
    row[CROSSING], row[LAST], row[BOUNDARY]}
end
"""

BOUNDARY: Final = Script(
    _INBOX
    + """
local row = read(ARGV[3])
return {now, 'text', row and row[BOUNDARY] or ''}
"""
)
PUT: Final = Script(
    _INBOX
    + """
local id, row = ARGV[3], read(ARGV[3])
if row ~= nil then return {now, row and row[CALL] == ARGV[2] and 'new' or 'there'} end
redis.call('HSET', CONTENTS, id, ARGV[8])
redis.call('ZADD', IDS, 0, id)
write(id, {0, 0, 0, now, now, tonumber(ARGV[4]), tonumber(ARGV[5]), '', ARGV[6], '', ARGV[2],
  ARGV[7]})
return {now, 'new'}
""",
    is_bounded=True,
)
# Sent again it could take a second one. A row that nobody can read is a dead letter: it is due for
# longest at each look, and would hold up all others.
TAKE: Final = Script(
    _INBOX
    + """
local lease, wanted, boundary, unreadable = ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local function own(id, row)
  row[TOKEN], row[STATE], row[ATTEMPTS] = next_token(row), 1, row[ATTEMPTS] + 1
  row[DUE], row[CHANGED], row[CALL] = now + lease, now, ARGV[2]
  write(id, row)
  return {now, 'taken', id, row[TOKEN], row[ATTEMPTS], row[RECEIVED], row[CROSSING],
    redis.call('HGET', CONTENTS, id) or ''}
end
if wanted ~= '' then
  local row = read(wanted)
  if row and row[BOUNDARY] == boundary
    and (row[STATE] == 0 or (row[STATE] == 1 and row[DUE] <= now)) then
    return own(wanted, row)
  end
  return {now, 'none'}
end
for _ = 1, 100 do
  local id = redis.call('ZRANGEBYSCORE', DUE_AT, '-inf', now, 'LIMIT', 0, 1)[1]
  if not id then return {now, 'none'} end
  local row = read(id)
  if row and is_pending(row) then
    if row[DUE] <= now then return own(id, row) end
    redis.call('ZADD', DUE_AT, row[DUE], id)
  elseif row == false then
    write(id, {3, next_token({0, 0}), 0, now, now, 0, 0, unreadable, '', '', ARGV[2], boundary})
  else
    redis.call('ZREM', DUE_AT, id)
    redis.call('ZREM', SINCE, id)
  end
end
return {now, 'none'}
""",
    is_bounded=True,
    is_repeatable=False,
)
# Never too late: it is fenced by its token.
END: Final = Script(
    _INBOX
    + """
local id, row, state = ARGV[3], read(ARGV[3]), tonumber(ARGV[5])
if row and row[CALL] == ARGV[2] then return {now, 'done'} end
if not row or row[STATE] ~= 1 or row[TOKEN] ~= tonumber(ARGV[4]) then return {now, 'gone'} end
row[STATE], row[CHANGED], row[CALL] = state, now, ARGV[2]
if state == 2 then row[BYTES] = 0 else row[CODE], row[LAST] = ARGV[7], ARGV[8] end
if state == 0 then row[DUE] = now + ARGV[6] end
write(id, row)
if state == 2 then redis.call('HDEL', CONTENTS, id) end
return {now, 'done'}
"""
)
# The token grows: whoever had it before and comes late writes nothing.
MOVE: Final = Script(
    _INBOX
    + """
local id, row, to = ARGV[3], read(ARGV[3]), tonumber(ARGV[4])
if not row then return {now, 'gone'} end
if row[CALL] == ARGV[2] then return {now, 'done'} end
local from = row[STATE]
if not (from == 0 or from == 3 or (to == 0 and from == 4)
  or (to == 4 and from == 1 and row[DUE] <= now)) then
  return {now, 'gone'}
end
row[TOKEN], row[STATE], row[CALL] = next_token(row), to, ARGV[2]
row[DUE], row[CHANGED] = now, now
if to == 0 then row[ATTEMPTS] = 0 end
write(id, row)
return {now, 'done'}
""",
    is_bounded=True,
)
# At most ARGV[7] are looked at: a millisecond or two of the server.
LIST: Final = Script(
    _INBOX
    + """
local after, boundary, state, most, look = ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7]
local ids = redis.call('ZRANGEBYLEX', IDS, after == '' and '-' or '(' .. after, '+',
  'LIMIT', 0, look)
local last, found = '', {}
for at, id in ipairs(ids) do
  local row = read(id)
  local is_known = row and HOME[row[STATE]] ~= nil
  local says = is_known and tostring(row[STATE]) or '-1'
  if row ~= nil and (state == '' or state == says)
    and (boundary == '' or (row and row[BOUNDARY] == boundary)) then
    found[#found + 1] = told(id, row)
  end
  if #found == tonumber(most) or (at == #ids and at == tonumber(look)) then
    last = id
    break
  end
end
return {now, 'rows', last, found}
"""
)
SHOW: Final = Script(
    _INBOX
    + """
local id, row = ARGV[3], read(ARGV[3])
if row == nil then return {now, 'none'} end
return {now, 'row', told(id, row), redis.call('HGET', CONTENTS, id) or ''}
"""
)
STATUS: Final = Script(
    _INBOX
    + """
local first = redis.call('ZRANGE', SINCE, 0, 0, 'WITHSCORES')
local oldest = first[2] and now - math.floor(first[2] / 1000) or 0
return {now, 'status', redis.call('ZCARD', DUE_AT), oldest, redis.call('ZCARD', DEAD_AT),
  redis.call('ZCARD', PARKED_AT)}
"""
)
FORGOTTEN: Final = Script(
    _INBOX
    + """
local ends, most, found = now - ARGV[3], tonumber(ARGV[4]), {}
for page = 0, 19 do
  local ids = redis.call('ZRANGEBYSCORE', DUE_AT, '-inf', ends, 'LIMIT', page * 500, 500)
  for _, id in ipairs(ids) do
    local row = #found < most and read(id)
    if row and is_pending(row) and row[CHANGED] <= ends then
      row[CHANGED] = now
      redis.call('HSET', ROWS, id, cmsgpack.pack(row))
      found[#found + 1] = id
    end
  end
  if #ids < 500 or #found == most then break end
end
return {now, 'ids', found}
""",
    is_bounded=True,
    is_repeatable=False,
)
FORGET: Final = Script(
    _INBOX
    + """
local over = redis.call('ZRANGEBYSCORE', DONE_AT, '-inf', now - ARGV[3], 'LIMIT', 0, ARGV[4])
for _, id in ipairs(over) do
  redis.call('HDEL', ROWS, id)
  redis.call('HDEL', CONTENTS, id)
  redis.call('ZREM', IDS, id)
  redis.call('ZREM', DONE_AT, id)
end
return {now, 'deleted', #over}
"""
)
SCRIPTS: Final = (
    BOUNDARY,
    PUT,
    TAKE,
    END,
    MOVE,
    LIST,
    SHOW,
    STATUS,
    FORGOTTEN,
    FORGET,
)
