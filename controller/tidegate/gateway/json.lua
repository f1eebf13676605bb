-- Finds its way in JSON text without reading it into values, so that what is not touched keeps every byte.
-- Neighbours: merge.lua and by_model.lua, which are loaded with this file before them.

local SIMPLE = { b = "\b", f = "\f", n = "\n", r = "\r", t = "\t" }

-- Past white space. Single bytes and plain finds are what LuaJIT compiles; patterns it does not.
local function skip(s, i)
  while true do
    local b = string.byte(s, i)
    if not b then return #s + 1 end
    if b ~= 32 and b ~= 10 and b ~= 13 and b ~= 9 then return i end
    i = i + 1
  end
end

-- The position after the string that begins at i, or nil.
local function after_string(s, i)
  local from = i + 1
  while true do
    local at = string.find(s, '"', from, true)
    if not at then return nil end
    local before = at - 1
    while before > i and string.byte(s, before) == 92 do before = before - 1 end
    if (at - before) % 2 == 1 then return at + 1 end  -- an even number of backslashes, mostly none
    from = at + 1
  end
end

-- The position after the value that begins at i, or nil.
local function after_value(s, i)
  local c = string.byte(s, i)
  if c == 34 then return after_string(s, i) end
  if c ~= 123 and c ~= 91 then
    local stop = string.find(s, "[,}%] \t\r\n]", i) or #s + 1
    if stop == i then return nil end
    return stop
  end
  local depth = 0
  while true do
    local b = string.byte(s, i)
    if not b then return nil end
    if b == 34 then
      i = after_string(s, i)
      if not i then return nil end
    else
      if b == 123 or b == 91 then
        depth = depth + 1
      elseif b == 125 or b == 93 then
        depth = depth - 1
        if depth == 0 then return i + 1 end
      end
      i = i + 1
    end
  end
end

-- A key as it is meant: "a" for the raw text "\u0061". Escapes of other letters than ASCII stay as they are.
local function name(raw)
  if not string.find(raw, "\\", 1, true) then return raw end
  return (string.gsub(raw, "\\(.)(%x?%x?%x?%x?)", function(c, hex)
    if c == "u" and #hex == 4 then
      local code = tonumber(hex, 16)
      if code < 128 then return string.char(code) end
      return "\\u" .. hex
    end
    return (SIMPLE[c] or c) .. hex
  end))
end

-- The members of the object that begins at i: a list of {key, raw key, raw value}, and the position after it; or nil.
local function members(s, i)
  if string.byte(s, i) ~= 123 then return nil end
  local list = {}
  i = skip(s, i + 1)
  if string.byte(s, i) == 125 then return list, i + 1 end
  while true do
    if string.byte(s, i) ~= 34 then return nil end
    local key_end = after_string(s, i)
    if not key_end then return nil end
    local raw = string.sub(s, i, key_end - 1)
    i = skip(s, key_end)
    if string.byte(s, i) ~= 58 then return nil end
    i = skip(s, i + 1)
    local value_end = after_value(s, i)
    if not value_end then return nil end
    list[#list + 1] = { name(string.sub(raw, 2, -2)), raw, string.sub(s, i, value_end - 1) }
    i = skip(s, value_end)
    local c = string.byte(s, i)
    if c == 125 then return list, i + 1 end
    if c ~= 44 then return nil end
    i = skip(s, i + 1)
  end
end

-- The elements of the list that begins at i, as raw texts; or nil.
local function elements(s, i)
  if string.byte(s, i) ~= 91 then return nil end
  local list = {}
  i = skip(s, i + 1)
  if string.byte(s, i) == 93 then return list end
  while true do
    local stop = after_value(s, i)
    if not stop then return nil end
    list[#list + 1] = string.sub(s, i, stop - 1)
    i = skip(s, stop)
    local c = string.byte(s, i)
    if c == 93 then return list end
    if c ~= 44 then return nil end
    i = skip(s, i + 1)
  end
end
