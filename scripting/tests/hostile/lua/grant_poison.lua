-- grants: a script that would grant itself something.
allow = nil
local now = time.now
function init() return {} end
function update(pkt, state)
  pcall(function() time.now = function() return 1 end end)
  pcall(rawset, time, "now", print)
  state.at = now()
end
function export(state) return { at = state.at } end
