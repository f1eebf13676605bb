-- The way to a provider's API: which paths, which headers, which model; and what its refusals mean to a caller of ours.
-- Runs behind merge.lua, so that the release's id stands in the body whatever caller and config wrote there.
-- Neighbours: json.lua stands before it; provider.py gives each arm its context; bootstrap.py and mirror.py load both.

-- Of an answer: they speak of the provider's own host, or of the account that pays.
local STAY = { "set-cookie", "alt-svc", "strict-transport-security", "www-authenticate", "location",
  "openai-organization", "openai-project", "anthropic-organization-id" }
local OURS = { ["401"] = true, ["403"] = true, ["404"] = true }

-- The body with `model` as the release says; nil when it is no JSON object.
local function pinned(body, model)
  local list, after = members(body, skip(body, 1))
  if not list or skip(body, after) <= #body then return nil end
  local out = { '"model":' .. model }
  for _, member in ipairs(list) do
    if member[1] ~= "model" then out[#out + 1] = member[2] .. ":" .. member[3] end
  end
  return "{" .. table.concat(out, ",") .. "}"
end

local function refuse(handle, status, sentence)
  return handle:respond({ [":status"] = status }, sentence)
end

local function strip(headers, passes)
  local gone = {}
  for key in pairs(headers) do
    local known = string.sub(key, 1, 1) == ":" or string.sub(key, 1, 8) == "x-envoy-"
    if not known and not string.find(passes, " " .. key .. " ", 1, true) then gone[#gone + 1] = key end
  end
  for _, key in ipairs(gone) do headers:remove(key) end
end

local function forward(handle, context)
  local provider, headers = context.provider, handle:headers()
  if headers:get("upgrade") then return refuse(handle, "400", provider .. " takes no upgrade") end
  if headers:get(":method") ~= "POST" then
    return refuse(handle, "405", provider .. " serves this release: POST alone is passed on")
  end
  local encoding = headers:get("content-encoding")
  if encoding and encoding ~= "identity" then
    return refuse(handle, "415", "the model is written into the body: send it without Content-Encoding")
  end
  local front = context.front
  local path = string.gsub(headers:get(":path"), "%?.*", "")
  local called = string.sub(path, 1, #front) == front and "/" .. string.sub(path, #front + 1)
  if not called or not string.find(context.paths, " " .. called .. " ", 1, true) then
    return refuse(handle, "404", provider .. " serves this release, which is called at" .. string.sub(context.paths, 1, -2))
  end
  local buffer = handle:body()
  local text = buffer and pinned(buffer:getBytes(0, buffer:length()), context.model)
  if not text then return refuse(handle, "400", "the body is no JSON object") end
  buffer:setBytes(text)  -- Envoy sets Content-Length to match
  headers = handle:headers()  -- those from before the body are gone
  strip(headers, context.passes)
  for key, value in string.gmatch(context.headers, "([^:\n]+): ([^\n]+)") do headers:replace(key, value) end
  headers:replace("user-agent", "tidegate")
  headers:replace(":authority", context.host)
  -- The route puts `/` in the place of `front`.
  headers:replace(":path", front .. string.sub(context.base .. string.sub(called, 4) .. context.query, 2))
  handle:streamInfo():dynamicMetadata():set("tidegate.provider", "called", true)
end

function envoy_on_request(handle)
  local given, context = handle:filterContext(), {}
  if not given:get("model") then return end  -- the body chose this route, and no provider serves it
  for _, key in ipairs({ "provider", "front", "host", "base", "query", "paths", "model", "passes", "headers" }) do
    context[key] = given:get(key)
  end
  -- A script that fails is passed by: what it had to take out would get to the provider.
  local done, why = pcall(forward, handle, context)
  if not done then
    handle:logErr(why)
    refuse(handle, "500", "the request could not be made one to " .. context.provider)
  end
end

function envoy_on_response(handle)
  local provider = handle:filterContext():get("provider")
  if not provider then return end
  local headers = handle:headers()
  for _, key in ipairs(STAY) do headers:remove(key) end
  local status = headers:get(":status")
  local sent = handle:streamInfo():dynamicMetadata():get("tidegate.provider")
  if not OURS[status] or not (sent and sent.called) then return end  -- else the answer is the gateway's own
  local sentence = status == "404" and "does not know the model or path of this release"
    or "refuses the credential of this release"
  headers:replace(":status", "502")
  headers:replace("content-type", "application/json")
  headers:remove("content-encoding")
  handle:body(true):setBytes('{"error":"' .. provider .. " " .. sentence .. " (" .. status
    .. '): the request and its own key are not at fault"}')
end
