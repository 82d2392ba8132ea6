-- error: code out of bytecode.
function init() return {} end
function update(pkt, state)
  local load = load
  load("\27Lua")()
end
function export(state) return { n = 1 } end
