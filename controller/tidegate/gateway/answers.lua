-- Keeps the beginning of an answer for a comparison, chunk by chunk, so that streams pass as they come.
-- Neighbours: mirror.py puts it into the internal listeners and has the same ANSWER_BYTES; the access log writes it out.

local ANSWER_BYTES = 32 * 1024

function envoy_on_response(handle)
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
