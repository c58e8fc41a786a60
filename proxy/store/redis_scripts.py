"""What has to be done in Redis as one act: scripts, which nothing comes between.

The order of events is Redis's own time, in microseconds. The field ``!`` of a key's hash says when
the key was invalidated last, a key of its own says it of a label. The entries with a label are the
members of a sorted set, scored by the second in which each ends.
"""

from typing import Final

GONE: Final = b"!"
"""The field of a hash that is no entry."""

_ORDER: Final = """
local t = redis.call('TIME')
local order = t[1] * 1000000 + t[2]
"""
_NOTE: Final = """
local time = redis.call('TIME')
local now, hashes = tonumber(time[1]), string.sub(KEYS[1], 1, -17)
local function gone(name)
  -- Of two members anywhere in the set, those whose entries Redis has dropped to make room. With
  -- each that comes two are looked at, so that half of a set is there at the least.
  local at, found = time[2] % math.max(redis.call('ZCARD', name), 1), {}
  for _, one in ipairs(redis.call('ZRANGE', name, at, at + 1)) do
    local key, ident = string.sub(one, 1, 16), string.sub(one, 17)
    if redis.call('HEXISTS', hashes .. key, ident) == 0 then table.insert(found, one) end
  end
  return found
end
local function note(name, member, lasts)
  -- In the set of a label, in the place of what has ended: Redis does nothing else meanwhile, so
  -- that not all of it goes at once.
  local ended = redis.call('ZRANGEBYSCORE', name, '-inf', now, 'LIMIT', 0, 100)
  if #ended == 0 then ended = gone(name) end
  if #ended > 0 then redis.call('ZREM', name, unpack(ended)) end
  redis.call('ZADD', name, now + lasts, member)
  if redis.call('TTL', name) < lasts then redis.call('EXPIRE', name, lasts) end
end
"""
_LAST: Final = """
if redis.call('TTL', KEYS[1]) < tonumber(lasts) then redis.call('EXPIRE', KEYS[1], lasts) end
"""

TAKE: Final = (
    _ORDER
    + """
-- KEYS: the lease. ARGV: the token, empty where no lease is wanted; milliseconds.
local holder = ''
if ARGV[1] ~= '' then
  holder = redis.call('GET', KEYS[1])
  if not holder then
    redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
    holder = ARGV[1]
  end
end
return {string.format('%.0f', order), holder}
"""
)
RENEW: Final = """
-- KEYS: the lease. ARGV: the token; milliseconds.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""
GIVE_BACK: Final = """
-- KEYS: the lease. ARGV: the token.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""
STORE: Final = (
    _NOTE
    + """
-- KEYS: the hash, the lease. ARGV: prefix; order of the claim, empty for none; token of the lease;
-- ident; text; seconds that the entry lasts; most entries; member of the labels' sets; seconds that
-- it stays there; how many labels; the labels; the idents that it replaces.
local name, prefix, lasts, labels = KEYS[1], ARGV[1], ARGV[6], 10 + tonumber(ARGV[10])
if ARGV[3] ~= '' and redis.call('GET', KEYS[2]) == ARGV[3] then redis.call('DEL', KEYS[2]) end
local gone = redis.call('HGET', name, '!')
if ARGV[2] ~= '' then
  local order = tonumber(ARGV[2])
  if gone and tonumber(gone) >= order then return 0 end
  for i = 11, labels do
    local at = redis.call('GET', prefix .. 'g' .. ARGV[i])
    if at and tonumber(at) >= order then return 0 end
  end
end
for i = 11, labels do
  note(prefix .. 'l' .. ARGV[i], ARGV[8], tonumber(ARGV[9]))
  for j = labels + 1, #ARGV do
    redis.call('ZREM', prefix .. 'l' .. ARGV[i], string.sub(ARGV[8], 1, 16) .. ARGV[j])
  end
end
for i = labels + 1, #ARGV do redis.call('HDEL', name, ARGV[i]) end
if redis.call('HLEN', name) > tonumber(ARGV[7]) then
  redis.call('DEL', name)
  if gone then redis.call('HSET', name, '!', gone) end
end
redis.call('HSET', name, ARGV[4], ARGV[5])
"""
    + _LAST
    + "return 1"
)
TOUCH: Final = (
    _NOTE
    + """
-- KEYS: the hash, the sets of its labels. ARGV: ident; SHA-1 of the text that it has; the new text;
-- seconds that it lasts; its member of the sets; seconds that it stays there.
local old, lasts = redis.call('HGET', KEYS[1], ARGV[1]), ARGV[4]
if not old or redis.sha1hex(old) ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
for i = 2, #KEYS do note(KEYS[i], ARGV[5], tonumber(ARGV[6])) end
"""
    + _LAST
    + "return 1"
)
LENGTHEN: Final = """
-- KEYS: parts of a body. ARGV: seconds that they last at least. (EXPIRE ... GT wants Redis 7.)
for _, name in ipairs(KEYS) do
  if redis.call('TTL', name) < tonumber(ARGV[1]) then redis.call('EXPIRE', name, ARGV[1]) end
end
return 1
"""
INVALIDATE: Final = (
    _ORDER
    + """
-- KEYS: the hash. ARGV: seconds for which that is known.
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], '!', string.format('%.0f', order))
return redis.call('EXPIRE', KEYS[1], ARGV[1])
"""
)
CLEAR: Final = (
    _ORDER
    + """
-- KEYS: hashes. ARGV: seconds for which that is known.
for _, name in ipairs(KEYS) do
  redis.call('DEL', name)
  redis.call('HSET', name, '!', string.format('%.0f', order))
  redis.call('EXPIRE', name, ARGV[1])
end
return #KEYS
"""
)
MARK: Final = (
    _ORDER
    + """
-- KEYS: what says when a label was invalidated, its set. ARGV: seconds for which that is known.
redis.call('DEL', KEYS[1])  -- a script that has written may go on where Redis is full
redis.call('SET', KEYS[1], string.format('%.0f', order), 'EX', ARGV[1])
return redis.call('ZCARD', KEYS[2])
"""
)
USED: Final = (
    _NOTE
    + """
-- KEYS: the hash, the sets of the labels of an entry. ARGV: its member of them; seconds for which
-- it stays there longer than the hash. Without room for it: no fault.
local lasts = redis.call('TTL', KEYS[1])
if lasts < 0 then return 0 end
for i = 2, #KEYS do pcall(note, KEYS[i], ARGV[1], lasts + tonumber(ARGV[2])) end
return 1
"""
)
PURGE: Final = """
-- KEYS: the set of a label. ARGV: prefix; how many entries at a time.
local removed = 0
local popped = redis.call('ZPOPMIN', KEYS[1], ARGV[2])
for i = 1, #popped, 2 do  -- a score behind each
  local name = ARGV[1] .. 'k' .. string.sub(popped[i], 1, 16)
  removed = removed + redis.call('HDEL', name, string.sub(popped[i], 17))
end
return {removed, redis.call('ZCARD', KEYS[1])}
"""
