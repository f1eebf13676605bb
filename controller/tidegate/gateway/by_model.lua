-- Lets clients that know one address alone (OpenAI's libraries) choose the route by `model` in the body: MODEL or MODEL/FEATURE.
-- Neighbours: json.lua stands before it; render.py runs it where no path matches, bootstrap.py loads both.

local NAME = "^[a-z0-9][a-z0-9-]*$"

function envoy_on_request(handle)
  local headers = handle:headers()
  local path = headers:get(":path")
  if headers:get(":method") ~= "POST" or string.sub(path, 1, 4) ~= "/v1/" then return end
  local buffer = handle:body()
  if not buffer or buffer:length() == 0 then return end
  local body = buffer:getBytes(0, buffer:length())
  headers = handle:headers()  -- those from before the body are gone
  for _, member in ipairs(members(body, skip(body, 1)) or {}) do
    if member[1] == "model" then
      local model, feature = string.match(member[3], '^"([^/"]+)/?([^/"]*)"$')
      if not model or not string.match(model, NAME) then return end
      if feature ~= "" then
        if not string.match(feature, NAME) then return end
        headers:replace("x-tidegate-feature", feature)
      end
      headers:replace(":path", "/" .. model .. path)
      return handle:clearRouteCache()
    end
  end
end
