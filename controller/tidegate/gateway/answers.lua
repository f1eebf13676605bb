-- Keeps the beginning of an answer for a comparison, chunk by chunk, so that streams pass as they come.
-- Neighbours: mirror.py puts it into the internal listeners, with FILE (where the access log writes what is kept), MOST (bytes
-- of it after which nothing is kept: nobody reads) and ANSWER_BYTES before it.

local KEEPER = tostring(os.time()) .. tostring({})  -- this script in this thread, since its listener was made
local looked, full, left_out = 0, false, 0

-- Whether there is room in the file. It is asked for once a second.
local function has_room()
  local now = os.time()
  if now ~= looked then
    looked, full = now, false
    local file = io.open(FILE, "rb")
    if file then
      full = file:seek("end") >= MOST
      file:close()
    end
  end
  return not full
end

function envoy_on_request(handle)
  if not has_room() then
    left_out = left_out + 1
    return
  end
  local metadata = handle:streamInfo():dynamicMetadata()
  metadata:set("tidegate.answer", "keeper", KEEPER)
  metadata:set("tidegate.answer", "left_out", left_out)
end

function envoy_on_response(handle)
  if not handle:streamInfo():dynamicMetadata():get("tidegate.answer") then return end
  local kept, room, size = {}, ANSWER_BYTES, 0
  for chunk in handle:bodyChunks() do
    local length = chunk:length()
    size = size + length
    if room > 0 and length > 0 then
      local taken = math.min(room, length)
      kept[#kept + 1] = chunk:getBytes(0, taken)
      room = room - taken
    end
  end
  local metadata = handle:streamInfo():dynamicMetadata()
  metadata:set("tidegate.answer", "size", size)
  -- Not every answer is text: as Base64 it stands in a JSON line whatever it is.
  metadata:set("tidegate.answer", "body", handle:base64Escape(table.concat(kept)))
end
