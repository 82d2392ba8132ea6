-- error: the environment by getfenv.
function init() return {} end
function update(pkt, state)
  local getfenv = getfenv
  getfenv(0).x = 1
end
function export(state) return { n = 1 } end
