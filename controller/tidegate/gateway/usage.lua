-- What an answer says of itself (OpenAI's protocol): the id of the model that gave it, and the tokens it took, for the record.
-- Where a release takes no other model's answers (`only`), a body that names another one is held back and answered with 409.
-- Looks at chunks as they pass, so that streams are not held up; keeps one line of a stream, or the first 4 MiB of a body.
-- Neighbours: json.lua stands before it; render.py runs it for arms that speak the protocol; lines.py has the record's format.

local MOST = 4 * 1024 * 1024
local MOST_HELD = 1024 * 1024  -- what Envoy holds of an answer

-- The members of an object's text by name; the last one of a name counts, as for most readers.
local function named(text)
  local found = {}
  for _, member in ipairs(text and members(text, skip(text, 1)) or {}) do found[member[1]] = member[3] end
  return found
end

local function tokens(usage, ...)
  for _, key in ipairs({ ... }) do
    local value = usage[key]
    if value and #value < 16 and string.match(value, "^%d+$") then return value end
  end
end

-- Takes in one JSON object: an answer, or an event of a stream.
local function learn(seen, text)
  local object = named(text)
  for _, inner in ipairs({ "message", "response" }) do  -- events that hold the answer so far
    for key, value in pairs(named(object[inner])) do object[key] = object[key] or value end
  end
  local model = object.model
  if model and #model <= 200 and string.match(model, '^"[%w%._:/@+-]+"$') then seen.model = model end
  local usage = named(object.usage)
  seen.prompt = tokens(usage, "prompt_tokens", "input_tokens") or seen.prompt
  seen.completion = tokens(usage, "completion_tokens", "output_tokens") or seen.completion
end

local function tell(handle, seen)
  local told = ""
  if seen.model then told = ',"served_model":' .. seen.model end
  if seen.prompt then told = told .. ',"prompt_tokens":' .. seen.prompt end
  if seen.completion then told = told .. ',"completion_tokens":' .. seen.completion end
  if told ~= "" then handle:streamInfo():dynamicMetadata():set("tidegate.usage", "told", told) end
end

-- Reads a whole answer before the caller gets it, and keeps it back when another model gave it.
local function check(handle, only)
  local buffer = handle:body()
  if not buffer then return end
  local seen = {}
  learn(seen, buffer:getBytes(0, buffer:length()))
  tell(handle, seen)
  if not seen.model or seen.model == only then return end
  local headers = handle:headers()
  headers:replace(":status", "409")
  headers:replace("content-type", "application/json")
  buffer:setBytes('{"error":"the answer is of another model than the release asks for, and is kept back","model":'
    .. seen.model .. ',"expected":' .. only .. "}")
end

function envoy_on_response(handle)
  local context = handle:filterContext()
  local only = context:get("only")
  if not context:get("reads") then return end
  local headers = handle:headers()
  local encoding, kind = headers:get("content-encoding"), headers:get("content-type") or ""
  local stream = string.find(kind, "text/event-stream", 1, true)
  if (encoding and encoding ~= "identity") or not (stream or string.find(kind, "json", 1, true)) then return end
  if only and not stream and (tonumber(headers:get("content-length")) or 0) <= MOST_HELD then return check(handle, only) end
  local seen, kept, size = {}, {}, 0
  for chunk in handle:bodyChunks() do
    local length = chunk:length()
    size = size + length
    if length > 0 and size <= MOST then kept[#kept + 1] = chunk:getBytes(0, length) end
    if stream and length > 0 then
      local text = table.concat(kept)
      local from = 1
      while true do
        local stop = string.find(text, "\n", from, true)
        if not stop then break end
        local line = string.sub(text, from, stop - 1)
        if string.sub(line, 1, 5) == "data:" then
          if string.find(line, '"usage"', 1, true) or not seen.model then learn(seen, string.sub(line, 6)) end
        end
        from = stop + 1
      end
      kept = { string.sub(text, from) }
      size = #kept[1]
    end
  end
  if not stream and size <= MOST then learn(seen, table.concat(kept)) end
  tell(handle, seen)
end
