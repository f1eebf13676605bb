-- Tells the record which requests are of one user, without telling who: 128 bits of SHA-256 over this installation's secret and the
-- value of the route's sticky header. Neighbours: sha256.lua stands before it; render.py names the header, bootstrap.py the SALT.

function envoy_on_request(handle)
  local header = handle:filterContext():get("header")
  local value = header and handle:headers():get(header)
  if not value or value == "" then return end
  local hidden = string.sub(sha256(SALT .. value), 1, 32)
  handle:streamInfo():dynamicMetadata():set("tidegate.session", "record", ',"session":"' .. hidden .. '"')
end
