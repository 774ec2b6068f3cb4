"""What the Redis store does to a key: one Lua script each, and each touches one key.

A script with one key holds on Redis Cluster, and nothing comes between its read and its write.
"""

from dataclasses import dataclass, field
from hashlib import sha1
from typing import Final

# TIME before a write needs Redis 5: effects are replicated, not the script. ARGV[1] is the moment,
# by this server's clock, at which the caller has given up: what waited longer in a frozen server's
# socket does nothing. ARGV[2] names the call, so that the same call sent again has one effect.
# A row is one string, since one SET is written whole or, out of memory, not at all.
_ROW: Final = """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
if tonumber(ARGV[1]) < now then return {now, 'late'} end
local STATE, TOKEN, ENDS, FINGERPRINT, RESULT = 1, 2, 3, 4, 5
local CROSSING, AT, CALL, RECORD = 6, 7, 8, 9
local raw = redis.call('GET', KEYS[1])
local row = raw and cmsgpack.unpack(raw)
local function put(...) redis.call('SET', KEYS[1], cmsgpack.pack({...})) end
local function ends_in() return math.max(1, row[ENDS] - now) end
"""


@dataclass(frozen=True, slots=True)
class Script:
    """One script.

    Args:
        text: Lua. Reads KEYS[1], and ARGV from 3; answers {the server's time in ms, a word, …}.
        is_bounded: Whether it must not be done any more once its caller has given up.
        is_repeatable: Whether it can be sent again where nobody knows whether it was done.
    """

    text: str
    is_bounded: bool = False
    is_repeatable: bool = True
    sha: str = field(init=False)
    """The name by which Redis keeps it."""

    def __post_init__(self) -> None:
        sha = sha1(self.text.encode(), usedforsecurity=False).hexdigest()
        object.__setattr__(self, "sha", sha)


# The token is the server's time in microseconds, or one more than the last: a failover that forgets
# a hold gives no token twice.
HOLD: Final = Script(
    _ROW
    + """
if row and row[CALL] == ARGV[2] and row[STATE] == 0 and row[ENDS] > 0 then
  return {now, 'held', row[TOKEN]}
end
if row and (row[STATE] ~= 0 or row[ENDS] > now) then
  if row[FINGERPRINT] ~= ARGV[4] then return {now, 'conflict'} end
  if row[STATE] ~= 0 then return {now, 'settled', row[RESULT]} end
  return {now, 'busy', ends_in()}
end
local token = math.max(t[1] * 1000000 + t[2], row and row[TOKEN] + 1 or 1)
put(0, token, now + ARGV[3], ARGV[4], '', ARGV[5], now, ARGV[2], '')
return {now, 'held', token}
""",
    is_bounded=True,
)
FIRST_USE: Final = Script(
    _ROW
    + """
if row and row[STATE] ~= 0 then return {now, row[CALL] == ARGV[2] and 'new' or 'used'} end
if row and row[ENDS] > now and row[CALL] ~= ARGV[2] then return {now, 'busy', ends_in()} end
put(1, row and row[TOKEN] + 1 or 0, 0, '', '', ARGV[3], now, ARGV[2], '')
return {now, 'new'}
""",
    is_bounded=True,
)
# Never too late: the effect is done, and each moment in which that isn't written down is a moment
# in which it can be done again.
SETTLE: Final = Script(
    _ROW
    + """
if row and row[STATE] == 1 and row[CALL] == ARGV[2] then return {now, 'done'} end
if not row or row[STATE] ~= 0 or row[TOKEN] ~= tonumber(ARGV[3]) or row[ENDS] <= 0 then
  return {now, 'gone'}
end
put(1, row[TOKEN], 0, row[FINGERPRINT], ARGV[4], row[CROSSING], now, ARGV[2], ARGV[5])
return {now, 'done'}
"""
)
# The row stays, so that its token is never given again.
RELEASE: Final = Script(
    _ROW
    + """
if not row or row[STATE] ~= 0 or row[TOKEN] ~= tonumber(ARGV[3]) then return {now, 'gone'} end
if row[ENDS] <= 0 then return {now, row[CALL] == ARGV[2] and 'done' or 'gone'} end
put(0, row[TOKEN], 0, row[FINGERPRINT], '', row[CROSSING], row[AT], ARGV[2], '')
return {now, 'done'}
"""
)
WITHDRAW: Final = Script(
    _ROW
    + """
if row and row[CALL] == ARGV[3] and row[STATE] < 2 then
  put(0, row[TOKEN], 0, row[FINGERPRINT], '', row[CROSSING], row[AT], ARGV[2], '')
end
return {now, 'done'}
"""
)
COUNT: Final = Script(
    _ROW
    + """
if row and row[STATE] ~= 0 then return {now, 'used'} end
local times, ends = 1, now + ARGV[3]
if row and row[ENDS] > now then times, ends = row[TOKEN] + 1, row[ENDS] end
put(0, times, ends, '', '', '', now, '', '')
return {now, 'counted', times, math.max(1, ends - now)}
""",
    is_bounded=True,
    is_repeatable=False,
)
UNCOUNT: Final = Script(
    _ROW
    + """
if row and row[STATE] == 0 then
  put(0, math.max(0, row[TOKEN] - ARGV[3]), row[ENDS], '', '', '', row[AT], '', '')
end
return {now, 'done'}
""",
    is_repeatable=False,
)
REVOKE: Final = Script(
    _ROW
    + """
if row and row[STATE] == 1 then return {now, 'used'} end
local moment = tonumber(ARGV[3])
local ends = math.max(moment, now) + ARGV[4]
if row and row[STATE] == 2 then
  moment, ends = math.max(moment, row[TOKEN]), math.max(ends, row[ENDS])
end
put(2, moment, ends, '', '', '', now, '', '')
return {now, 'done'}
"""
)
REVOKED: Final = Script(
    _ROW
    + """
if row and row[STATE] == 2 then return {now, 'moment', row[TOKEN]} end
return {now, 'none'}
"""
)
SWEEP: Final = Script(
    _ROW
    + """
local is_over
if ARGV[3] == '' then is_over = row and row[STATE] ~= 1 and row[ENDS] <= now
else is_over = row and row[STATE] == 1 and row[RECORD] == '' and row[AT] <= now - ARGV[3] end
if not is_over then return {now, 'stays'} end
redis.call('DEL', KEYS[1])
return {now, 'deleted'}
"""
)
# A refusal's row: first, last, times, crossing, record, content.
REFUSAL: Final = Script(
    _ROW
    + """
local at = tonumber(ARGV[3])
local last = row and row[4] or ''
put(row and row[1] or at, at, row and row[3] + 1 or 1, ARGV[4], ARGV[5], row and row[6] or ARGV[6])
return {now, 'done', last}
"""
)
FORGET_CONTENT: Final = Script(
    _ROW
    + """
if not row or row[6] == '' or row[2] > now - ARGV[3] then return {now, 'stays'} end
put(row[1], row[2], row[3], row[4], row[5], '')
return {now, 'deleted'}
"""
)
RECORD: Final = Script(_ROW + "return {now, 'record', row and (row[RECORD] or row[5]) or ''}\n")

# What isn't a row: where a crossing's record lies, and which store this is.
_PLAIN: Final = """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
"""
PUT: Final = Script(_PLAIN + "redis.call('SET', KEYS[1], ARGV[3]) return {now, 'done'}\n")
GET: Final = Script(_PLAIN + "return {now, 'text', redis.call('GET', KEYS[1]) or ''}\n")
FORGET: Final = Script(_PLAIN + "redis.call('DEL', KEYS[1]) return {now, 'done'}\n")
NAME_IT: Final = Script(
    _PLAIN
    + """
redis.call('SETNX', KEYS[1], ARGV[3])
return {now, 'text', redis.call('GET', KEYS[1])}
"""
)
SCRIPTS: Final = (
    HOLD,
    FIRST_USE,
    SETTLE,
    RELEASE,
    WITHDRAW,
    COUNT,
    UNCOUNT,
    REVOKE,
    REVOKED,
    SWEEP,
    REFUSAL,
    FORGET_CONTENT,
    RECORD,
    PUT,
    GET,
    FORGET,
    NAME_IT,
)
