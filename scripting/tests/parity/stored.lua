-- Records of the script's own making.
function update(pkt, state) state.n = (state.n or 0) + 1 end
function export(state) return { n = state.n, text = 'x' } end
function store(record) return record.text .. record.n end
function load(bytes) return { n = bytes } end
