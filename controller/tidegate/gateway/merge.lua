-- Puts a release's inference config into a JSON request body: parameters are merged (objects member by member, lists and plain
-- values whole), the prompt and the examples go before the caller's messages. What happens where the caller sends the same field
-- is the config's `override`: `clamp`, the release's value stands; `allow`, the caller's; `reject`, the request is refused.
-- Works on the text, so numbers keep every digit and the rest of the body every byte.
-- Neighbours: json.lua stands before it; render.py gives each arm its config as filter context; bootstrap.py loads both.

-- Engines call the same thing by one name or the other: a body must not have both.
local OTHER_NAME = { max_tokens = "max_completion_tokens", max_completion_tokens = "max_tokens" }

-- The text of the object `theirs` with the members of `ours` in it; or nil and the field that may not be sent.
local function merge(theirs, ours, override, path)
  local mine = {}
  for _, member in ipairs(ours) do mine[member[1]] = member end
  local out, done = {}, {}
  for _, member in ipairs(theirs) do
    local key, raw, value = member[1], member[2], member[3]
    local winner = mine[key]
    local other = path == "" and not winner and mine[OTHER_NAME[key]]
    if other and override ~= "clamp" then
      if override == "reject" then return nil, key end
      done[other[1]] = true
      out[#out + 1] = raw .. ":" .. value
    elseif other then
      -- left out: the release's own follows under its own name
    elseif not winner then
      out[#out + 1] = raw .. ":" .. value
    elseif not done[key] then
      done[key] = true
      local text = winner[3]
      local inner = string.byte(text) == 123 and members(value, 1)
      if inner then
        local refused
        text, refused = merge(inner, (members(text, 1)), override, path .. key .. ".")
        if not text then return nil, refused end
      elseif override == "allow" then
        text = value
      elseif override == "reject" and text ~= value then
        return nil, path .. key
      end
      out[#out + 1] = winner[2] .. ":" .. text
    end
  end
  for _, member in ipairs(ours) do
    if not done[member[1]] then out[#out + 1] = member[2] .. ":" .. member[3] end
  end
  return "{" .. table.concat(out, ",") .. "}"
end

-- Whether a message speaks for the application, not for a user or the model; whichever of several roles a server takes.
local function is_system(message)
  for _, member in ipairs(members(message, 1) or {}) do
    local role = member[1] == "role" and name(string.sub(member[3], 2, -2))
    if role == "system" or role == "developer" then return true end
  end
  return false
end

-- The text of the list of messages with the prompt and the examples before them; or nil and the field that may not be sent.
local function conversation(raw, prompt, examples, override)
  local list = elements(raw, 1)
  if not list then return raw end
  local out, rest, leading, theirs = {}, {}, true, false
  for _, message in ipairs(list) do
    local system = is_system(message)
    leading = leading and system
    theirs = theirs or system
    if system and prompt ~= "" and override ~= "allow" then
      if override == "reject" then return nil, "messages with the role system" end
    elseif leading then
      out[#out + 1] = message
    else
      rest[#rest + 1] = message
    end
  end
  if prompt ~= "" and not (theirs and override == "allow") then table.insert(out, 1, prompt) end
  if examples ~= "" then out[#out + 1] = examples end
  for _, message in ipairs(rest) do out[#out + 1] = message end
  return "[" .. table.concat(out, ",") .. "]"
end

-- `body` with the release's config in it; nil when the body is no JSON object, or nil and the field that may not be sent.
local function configured(body, config, path)
  local theirs, after = members(body, skip(body, 1))
  if not theirs or skip(body, after) <= #body then return nil end
  local ours = members(config.parameters, 1)
  if config.instructions ~= "" and string.find(path, "/responses$") then
    ours[#ours + 1] = { "instructions", '"instructions"', config.instructions }
  end
  if config.prompt ~= "" or config.examples ~= "" then
    for _, member in ipairs(theirs) do
      if member[1] == "messages" then
        local text, refused = conversation(member[3], config.prompt, config.examples, config.override)
        if not text then return nil, refused end
        member[3] = text
      end
    end
  end
  return merge(theirs, ours, config.override, "")
end

function envoy_on_request(handle)
  local context = handle:filterContext()
  local config = {}
  for _, key in ipairs({ "parameters", "prompt", "examples", "instructions", "override" }) do
    config[key] = context:get(key) or ""
  end
  if config.parameters == "" then return end  -- the body chose this route, and its release has no config
  if handle:headers():get("upgrade") then
    return handle:respond({ [":status"] = "400" }, "this release sets parameters in JSON bodies: it takes no upgrade")
  end
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
  local text, refused = configured(body, config, (string.gsub(headers:get(":path") or "", "%?.*", "")))
  if refused then
    return handle:respond({ [":status"] = "400" }, "this model's release sets " .. refused .. ": send the request without it")
  end
  if not text then return end
  if json_size then headers:replace("inference-header-content-length", tostring(#text)) end
  buffer:setBytes(text .. tail)  -- Envoy sets Content-Length to match
end
