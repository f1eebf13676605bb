-- Merges a release's inference parameters into a JSON request body: the release's values win, objects merge member by member,
-- lists and plain values are replaced. Works on the text, so numbers keep every digit and the rest of the body every byte.
-- Neighbours: render.py gives each arm its parameters as filter context; bootstrap.py loads this file.

local SIMPLE = { b = "\b", f = "\f", n = "\n", r = "\r", t = "\t" }

-- Past white space.
local function skip(s, i)
  return string.find(s, "[^ \t\r\n]", i) or #s + 1
end

-- The position after the string that begins at i, or nil.
local function after_string(s, i)
  i = i + 1
  while true do
    local at = string.find(s, '["\\]', i)
    if not at then return nil end
    if string.byte(s, at) == 34 then return at + 1 end
    i = at + 2
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
    local at = string.find(s, '[%[%]{}"]', i)
    if not at then return nil end
    local b = string.byte(s, at)
    if b == 34 then
      i = after_string(s, at)
      if not i then return nil end
    else
      depth = depth + ((b == 123 or b == 91) and 1 or -1)
      if depth == 0 then return at + 1 end
      i = at + 1
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

-- The text of the object `theirs` with the members of `ours` over it.
local function merge(theirs, ours)
  local mine = {}
  for _, member in ipairs(ours) do mine[member[1]] = member end
  local out, done = {}, {}
  for _, member in ipairs(theirs) do
    local key, raw, value = member[1], member[2], member[3]
    local winner = mine[key]
    if not winner then
      out[#out + 1] = raw .. ":" .. value
    elseif not done[key] then
      done[key] = true
      local text = winner[3]
      local inner = string.byte(text) == 123 and members(value, 1)
      if inner then text = merge(inner, (members(text, 1))) end
      out[#out + 1] = winner[2] .. ":" .. text
    end
  end
  for _, member in ipairs(ours) do
    if not done[member[1]] then out[#out + 1] = member[2] .. ":" .. member[3] end
  end
  return "{" .. table.concat(out, ",") .. "}"
end

-- `body` with the object `parameters` merged in; nil when the body is no JSON object.
local function merged(body, parameters)
  local start = skip(body, 1)
  local theirs, after = members(body, start)
  if not theirs or skip(body, after) <= #body then return nil end
  return merge(theirs, (members(parameters, 1)))
end

function envoy_on_request(handle)
  local parameters = handle:filterContext():get("parameters")
  local buffer = handle:body()
  if not buffer or buffer:length() == 0 then return end
  local headers = handle:headers()
  local encoding = headers:get("content-encoding")
  if encoding and encoding ~= "identity" then
    -- Unmerged it would be another release's behaviour. The gateway wraps the sentence in JSON.
    return handle:respond({ [":status"] = "415" },
      "inference parameters are merged into the body of this model: send it without Content-Encoding")
  end
  local body = buffer:getBytes(0, buffer:length())
  -- Open Inference Protocol, binary tensors: only the first bytes are JSON.
  local declared = headers:get("inference-header-content-length")
  local json_size = declared and tonumber(declared)
  local tail = ""
  if json_size and json_size >= 0 and json_size <= #body then
    tail = string.sub(body, json_size + 1)
    body = string.sub(body, 1, json_size)
  end
  local text = merged(body, parameters)
  if not text then return end
  if json_size then headers:replace("inference-header-content-length", tostring(#text)) end
  buffer:setBytes(text .. tail)  -- Envoy sets Content-Length to match
end
