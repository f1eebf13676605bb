-- Knows a caller by the key in `Authorization: Bearer KEY` or `x-api-key: KEY`, and takes both headers away: no server and no record
-- ever sees a key. Without KEYS (SHA-256 in hex to name and routes) everybody may call, and headers stay as they are.
-- Neighbours: entrance.py writes KEYS before sha256.lua and this; allowed.lua asks for the route; lines.py has the record.

local LONGEST = 512  -- bytes of a key that are worth hashing

local function known(key)
  return key and #key <= LONGEST and KEYS[sha256(key)] or nil
end

local function caller_of(headers)
  local bearer = string.match(headers:get("authorization") or "", "^[Bb][Ee][Aa][Rr][Ee][Rr] +([^ ,]+)$")
  return known(bearer) or known(headers:get("x-api-key"))
end

-- What a caller may do is written down before anything else is done for it: a failure after that opens no other route.
local function admitted(handle)
  local headers = handle:headers()
  local caller = caller_of(headers)
  if not caller then return false end
  local metadata = handle:streamInfo():dynamicMetadata()
  if caller[2] then metadata:set("tidegate.caller", "routes", caller[2]) end
  metadata:set("tidegate.caller", "name", caller[1])
  metadata:set("tidegate.caller", "record", ',"caller":"' .. caller[1] .. '"')
  headers:remove("authorization")
  headers:remove("x-api-key")
  headers:replace("x-tidegate-caller", caller[1])
  if handle:filterContext():get("chooses") then handle:clearRouteCache() end  -- the route goes by the caller
  return true
end

function envoy_on_request(handle)
  if not KEYS then return end
  local fine, may = pcall(admitted, handle)  -- Envoy lets pass what a script fails on
  if fine and may then return end
  handle:respond({ [":status"] = "401", ["www-authenticate"] = "Bearer" }, "this gateway needs a key that it knows")
end
