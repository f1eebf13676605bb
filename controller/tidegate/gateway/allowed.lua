-- Sends a caller whose key is not for this route to where nothing is: the answer is that of a path that is not served at all.
-- Tells a caller over its limit when to come again. Neighbours: callers.lua has said who calls; render.py names the routes.

-- `name`: weights.MODEL.SEGMENT, weights.MODEL+FEATURE.SEGMENT, nobody.MODEL or unknown.
local function has(routes, name)
  local model, feature = string.match(name, "^%a+%.([^.+]+)%+?([^.]*)")
  return model and (string.find(routes, " " .. model .. " ", 1, true)
    or string.find(routes, " " .. model .. "/" .. feature .. " ", 1, true))
end

local function allowed(handle)
  local caller = handle:streamInfo():dynamicMetadata():get("tidegate.caller")
  return not (caller and caller.routes) or has(caller.routes, handle:streamInfo():routeName())
end

function envoy_on_request(handle)
  local fine, may = pcall(allowed, handle)  -- Envoy lets pass what a script fails on
  if fine and may then return end
  handle:headers():replace(":path", "/")
  handle:clearRouteCache()
end

function envoy_on_response(handle)
  local headers = handle:headers()
  if headers:get(":status") ~= "429" or headers:get("retry-after") then return end
  local reset = tonumber(headers:get("x-ratelimit-reset") or "")
  if reset then headers:add("retry-after", string.format("%d", math.max(1, reset))) end
end
