-- Refuses a request body of more than MOST bytes. One of unknown length is held until it is whole, or too long.
-- Neighbour: entrance.py writes MOST before it.

local function refuse(handle)
  handle:respond({ [":status"] = "413" }, "the body has more than " .. string.format("%d", MOST) .. " bytes")
end

function envoy_on_request(handle)
  local headers = handle:headers()
  local declared = tonumber(headers:get("content-length") or "")
  if declared then
    if declared > MOST then refuse(handle) end
    return
  end
  if headers:get("upgrade") and not headers:get("transfer-encoding") then return end  -- what follows is no body
  local body = handle:body()
  if body and body:length() > MOST then refuse(handle) end
end
