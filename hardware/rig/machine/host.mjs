// Runs one MicroPython machine under Node.js, in lockstep with the rig.
//
// The rig owns time. It sends one frame ("it is now T; these bytes arrived; these pins changed"), this host works off
// everything that is due at T and answers with one frame (what the machine sent, printed, asked for, and the moment of
// its next timer). Nothing runs between two frames, so a day of a node takes as long as its work takes.
//
// Frames on the file descriptor that the options name: u32 little-endian length, then a body that `lockstep.py` describes.

import fs from "node:fs";
import path from "node:path";

const { process } = globalThis; // to import it would load the standard streams, which takes longer than a short test
const options = JSON.parse(process.argv[2]);

// ---- time: the machine sees only the rig's clock ------------------------------------------------------------------

// A program that spins on a clock must see it move: after so many looks in one step, each further one costs time.
const FREE_LOOKS = 500;
const LOOK_MS = 0.01;
// The longest that one step may spin before it counts as hung (a hardware watchdog's worth).
const SPIN_LIMIT_MS = 30_000;
const CALLBACKS_PER_STEP = 200_000;

let now = options.uptime_ms ?? 0;
let spun = 0;
let looks = 0;
const timers = new Map();
let nextTimerId = 1;

function look() {
  if (++looks > FREE_LOOKS) spun += LOOK_MS;
  if (spun > SPIN_LIMIT_MS) throw new Error("the machine spins and never yields");
  return now + spun;
}

function addTimer(callback, delay, args, every) {
  const id = nextTimerId++;
  timers.set(id, { id, at: now + spun + Math.max(0, Number(delay) || 0), callback, args, every });
  return id;
}

globalThis.setTimeout = (callback, delay, ...args) => addTimer(callback, delay, args, 0);
globalThis.clearTimeout = (id) => void timers.delete(id);
Date.now = look;
performance.now = look;

// ---- chance: MicroPython seeds `random` from here; the rig's seed makes it the same again (xorshift32) -------------

let chance = (options.random_seed >>> 0) || 1;
function getRandomValues(array) {
  for (let index = 0; index < array.length; index++) {
    chance ^= chance << 13;
    chance ^= chance >>> 17;
    chance ^= chance << 5;
    array[index] = chance;
  }
  return array;
}
Object.defineProperty(globalThis, "crypto", { value: { getRandomValues } });

// The one that is due first; of two at the same time the older one.
function nextTimer() {
  let best = null;
  for (const timer of timers.values()) if (best === null || timer.at < best.at) best = timer;
  return best;
}

function runDue() {
  for (let n = 0; n < CALLBACKS_PER_STEP; n++) {
    const timer = nextTimer();
    if (timer === null || timer.at > now) return;
    if (timer.every > 0) timer.at += timer.every;
    else timers.delete(timer.id);
    guarded(() => timer.callback(...timer.args));
  }
  crash("the machine keeps itself busy without letting time pass");
}

// ---- what a step hands back ---------------------------------------------------------------------------------------

const OUT_UART_TX = 1, OUT_UART_SETUP = 2, OUT_PIN = 3, OUT_TEXT = 4, OUT_END = 5, OUT_RTC = 6, OUT_OPERATION = 7, OUT_I2C = 8, OUT_CONSOLE = 9;
let outputs = [];
let ended = false;
let restarts = false; // ended, and the board starts again: it does so after the time that it has spent
const RESTARTS = new Set(["reset", "soft_reset", "watchdog"]);

function put(kind, ...parts) {
  outputs.push(Buffer.from([kind]), ...parts);
}

function u32(value) {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32LE(value >>> 0);
  return buffer;
}

function f64(value) {
  const buffer = Buffer.alloc(8);
  buffer.writeDoubleLE(value);
  return buffer;
}

function text(value) {
  const bytes = Buffer.from(value, "utf8");
  return Buffer.concat([u32(bytes.length), bytes]);
}

function bytes(value) {
  return Buffer.concat([u32(value.length), value]);
}

// A program that ends or fails leaves the board at its prompt, where only the watchdog can still act.
function end(how, detail) {
  if (ended && how !== "watchdog") return;
  ended = true;
  restarts = RESTARTS.has(how);
  put(OUT_END, text(how), text(detail));
  for (const id of [...timers.keys()]) if (id !== watchdog) timers.delete(id);
}

function crash(detail) {
  end("crash", detail);
}

function guarded(work) {
  try {
    return work();
  } catch (error) {
    if (ended) return undefined; // machine.reset() unwinds by an exception of its own
    if (error?.name === "PythonError" && error.type === "SystemExit") end(booting ? "soft_reset" : "exit", "");
    else crash(error?.name === "PythonError" ? error.message : String(error?.stack ?? error));
    return undefined;
  }
}

// ---- the machine's memory ------------------------------------------------------------------------------------------

let memory = null;
const instantiate = WebAssembly.instantiate;
WebAssembly.instantiate = async (...args) => {
  const result = await instantiate(...args);
  const exported = (result.instance ?? result).exports;
  memory = Object.values(exported).find((item) => item instanceof WebAssembly.Memory);
  return result;
};

function bytesAt(address, length) {
  return Buffer.from(memory.buffer, address, length);
}

// ---- peripherals ---------------------------------------------------------------------------------------------------

const PARITY_NONE = -1;
const uarts = new Map();
const pinLevels = new Map(Object.entries(options.pins ?? {}).map(([pin, level]) => [Number(pin), level]));
const pinWatchers = new Map();
const analogue = new Map(Object.entries(options.analogue ?? {}).map(([pin, uv]) => [Number(pin), uv]));
// An I2C device is 256 registers; bit 7 of a register's number moves on by itself, as ST's sensors have it.
const i2cDevices = new Map(Object.entries(options.i2c ?? {}).map(([at, hex]) => [Number(at), Buffer.from(hex, "hex")]));
let watchdog = null;
let watchdogMs = 0;

function uart(id) {
  if (!uarts.has(id)) uarts.set(id, { received: Buffer.alloc(0), limit: 256, baud: 9600, bits: 10, busyUntil: 0, heard: null });
  return uarts.get(id);
}

const ports = {
  uart_setup(id, baud, dataBits, parity, stopBits, receiveLimit) {
    const port = uart(id);
    port.baud = baud;
    port.bits = 1 + dataBits + (parity === PARITY_NONE ? 0 : 1) + stopBits;
    port.limit = receiveLimit;
    port.received = Buffer.alloc(0);
    put(OUT_UART_SETUP, Buffer.from([id]), u32(baud), Buffer.from([dataBits, parity === PARITY_NONE ? 0 : parity === 0 ? 1 : 2, stopBits]));
  },
  uart_any: (id) => uart(id).received.length,
  uart_read(id, address, length) {
    const port = uart(id);
    const count = Math.min(length, port.received.length);
    port.received.copy(bytesAt(address, count), 0, 0, count);
    port.received = port.received.subarray(count);
    return count;
  },
  uart_write(id, address, length) {
    const port = uart(id);
    const start = Math.max(now, port.busyUntil);
    port.busyUntil = start + (length * port.bits * 1000) / port.baud;
    put(OUT_UART_TX, Buffer.from([id]), u32(length), Buffer.from(bytesAt(address, length)));
    return length;
  },
  uart_tx_left_us: (id) => Math.max(0, Math.ceil((uart(id).busyUntil - now - spun) * 1000)),
  uart_on_receive(id, handler) {
    uart(id).heard = handler;
  },
  pin_read: (pin) => pinLevels.get(pin) ?? 0,
  pin_write(pin, level) {
    if (pinLevels.get(pin) === level) return;
    pinLevels.set(pin, level);
    put(OUT_PIN, Buffer.from([pin, level]));
  },
  pin_default(pin, level) {
    if (!pinLevels.has(pin)) pinLevels.set(pin, level);
  },
  pin_on_change(pin, handler) {
    pinWatchers.set(pin, handler);
  },
  i2c_scan: () => [...i2cDevices.keys()].sort((a, b) => a - b).join(" "),
  i2c_read(device, register, address, length) {
    const registers = i2cDevices.get(device);
    if (!registers) return -1;
    const into = bytesAt(address, length);
    for (let index = 0; index < length; index++) into[index] = registers[(register & 0x7f) + (register & 0x80 ? index : 0)];
    return length;
  },
  i2c_write(device, register, address, length) {
    const registers = i2cDevices.get(device);
    if (!registers) return -1;
    const from = Buffer.from(bytesAt(address, length));
    from.copy(registers, register & 0x7f);
    put(OUT_I2C, Buffer.from([device, register & 0x7f]), u32(length), from);
    return length;
  },
  adc_read_uv: (pin) => analogue.get(pin) ?? 0,
  timer_start: (handler, periodMs, periodic) => addTimer(handler, periodMs, [], periodic ? Math.max(1, periodMs) : 0),
  timer_stop: (id) => void timers.delete(id),
  watchdog_start(timeoutMs) {
    watchdogMs = timeoutMs;
    ports.watchdog_feed();
  },
  watchdog_feed() {
    if (watchdog !== null) timers.delete(watchdog);
    watchdog = addTimer(() => end("watchdog", "the watchdog was not fed in time"), watchdogMs, [], 0);
  },
  spin_ms(milliseconds) {
    spun += milliseconds;
    return look();
  },
  end(how, detail) {
    end(how, detail);
  },
  rtc_load: () => options.rtc_memory ?? "",
  rtc_store(hex) {
    put(OUT_RTC, text(hex));
  },
  nvs_read: (namespace, key) => (options.nvs === null ? "unreadable" : (options.nvs?.[`${namespace}/${key}`] ?? "none")),
  console_any: () => typed.length > 0,
  heap_bytes: () => options.heap_bytes,
  reset_cause: () => options.reset_cause ?? 1,
  unique_id: () => options.unique_id ?? "a0b1c2d3e4f5",
};

// ---- the console: UART0, which MicroPython's ESP32 port has as its standard input and output ------------------------

// The port keeps so many bytes that were typed and loses more (a ring of 260); Ctrl-C never gets there while it is what
// interrupts the program. Output is "cooked": each LF goes out as CR LF.
const TYPED_BYTES = 259, CR = 13, LF = 10;
const typed = [];
let line = [];

function type(bytes) {
  for (const byte of bytes) {
    if (byte === machine._module._mp_hal_get_interrupt_char()) return crash("KeyboardInterrupt");
    if (typed.length < TYPED_BYTES) typed.push(byte);
  }
}

let said = [];

function say(chunk) {
  for (const byte of chunk) {
    if (byte === LF) said.push(CR);
    said.push(byte);
    if (byte !== LF) line.push(byte);
    else {
      print(Buffer.from(line).toString("utf8"));
      line = [];
    }
  }
}

// ---- flash: the machine's files live in a folder of the host --------------------------------------------------------

const FLASH = "/flash";

function onFlash(name) {
  return name === FLASH || name.startsWith(FLASH + "/");
}

function hostPath(name) {
  return path.join(options.flash, name.slice(FLASH.length));
}

// An import looks for most files in vain: Emscripten's own error would ask the machine for its text each time.
class FileError {
  name = "ErrnoError";

  constructor(errno) {
    this.errno = errno;
  }

  toString() {
    return `file error ${this.errno}`;
  }
}

function loadFlash(FS, folder, inside) {
  FS.mkdir(inside);
  for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
    const from = path.join(folder, entry.name);
    if (entry.isDirectory()) loadFlash(FS, from, `${inside}/${entry.name}`);
    else FS.writeFile(`${inside}/${entry.name}`, fs.readFileSync(from));
  }
}

// Every operation that changes the flash is counted and told; the one that the rig has named is the last thing that
// happens before the power is gone, or the first thing that does not happen any more.
const NOTHING = Buffer.alloc(0);
let operations = options.operations ?? 0;
let cutAt = options.cut_at_operation ?? 0;
let cutAfter = options.cut_after ?? false;

class PowerCut extends Error {}

// With `keep_states` the flash stands below that folder as it was after each operation, under the operation's number:
// what a cut there would leave. Links are enough, for no file of the flash is ever changed in place.
function linkTree(from, to) {
  fs.mkdirSync(to, { recursive: true });
  for (const entry of fs.readdirSync(from, { withFileTypes: true })) {
    const [source, target] = [path.join(from, entry.name), path.join(to, entry.name)];
    if (entry.isDirectory()) linkTree(source, target);
    else fs.linkSync(source, target);
  }
}

function cut(what) {
  end("cut", what);
  throw new PowerCut(what);
}

function operate(kind, name, other, content, change) {
  if (ended) throw new PowerCut("the power is off");
  const what = `operation ${++operations}, ${kind} ${name}${other && " to " + other}`;
  const last = operations === cutAt;
  if (last && !cutAfter) cut("before " + what);
  const result = change();
  put(OUT_OPERATION, text(kind), text(name), text(other), bytes(options.record_content ? content() : NOTHING));
  if (options.keep_states) linkTree(options.flash, path.join(options.keep_states, String(operations)));
  if (last) cut("after " + what);
  return result;
}

// What littlefs guarantees: a file that is opened to be made is there at once, empty; its new content is there when it
// is closed; all else happens whole or not at all.
const TO_WRITE = 3, TO_CREATE = 0o100, TO_TRUNCATE = 0o1000, TO_APPEND = 0o2000;

function modeOf(flags) {
  return flags & TO_APPEND ? "ab" : flags & TO_TRUNCATE ? "wb" : "r+b";
}

function keepFlash(FS) {
  const absolute = (name) => (name.startsWith("/") ? name : `${FS.cwd() === "/" ? "" : FS.cwd()}/${name}`);
  const nothing = () => NOTHING;
  const { open, write, close } = FS;
  const flashName = (stream) => {
    const name = stream.node && FS.getPath(stream.node); // its name now, not the one it was opened by
    return (stream.flags & TO_WRITE) !== 0 && name && onFlash(name) ? name : "";
  };
  FS.open = (file, flags, mode) => {
    const name = typeof file === "string" ? absolute(file) : "";
    if (!(flags & TO_WRITE) || !onFlash(name)) return open(file, flags, mode);
    const isNew = (flags & TO_CREATE) !== 0 && !FS.analyzePath(name).exists;
    return operate("open", name, modeOf(flags), nothing, () => {
      const stream = open(file, flags, mode);
      if (isNew) fs.writeFileSync(hostPath(name), "");
      return stream;
    });
  };
  FS.write = (stream, buffer, offset, length, ...rest) => {
    const name = flashName(stream);
    if (!name) return write(stream, buffer, offset, length, ...rest);
    const content = () => Buffer.from(buffer.slice(offset, offset + length));
    return operate("write", name, "", content, () => write(stream, buffer, offset, length, ...rest));
  };
  FS.close = (stream) => {
    const name = flashName(stream);
    if (!name || !FS.analyzePath(name).exists) return close(stream);
    return operate("close", name, "", nothing, () => {
      close(stream);
      const target = hostPath(name);
      fs.writeFileSync(`${target}.new`, FS.readFile(name));
      fs.renameSync(`${target}.new`, target);
    });
  };
  const changes = {
    unlink: (name) => fs.rmSync(hostPath(name), { force: true }),
    rmdir: (name) => fs.rmdirSync(hostPath(name)),
    mkdir: (name) => fs.mkdirSync(hostPath(name), { recursive: true }),
    rename: (from, to) => fs.renameSync(hostPath(from), hostPath(to)),
  };
  for (const [kind, mirror] of Object.entries(changes)) {
    const inner = FS[kind];
    FS[kind] = (...args) => {
      const names = args.filter((item) => typeof item === "string").map(absolute);
      if (!names.length || !names.every(onFlash)) return inner(...args);
      return operate(kind, names[0], names[1] ?? "", nothing, () => {
        const result = inner(...args);
        mirror(...names);
        return result;
      });
    };
  }
}

// ---- life ----------------------------------------------------------------------------------------------------------

let machine = null;
let printed = [];
let showHeap = null;

function print(line) {
  if (printed !== null) printed.push(line);
  put(OUT_TEXT, text(line));
}

// All that was said in this step; what the rig asks the machine itself is not the console's.
function tellConsole() {
  if (said.length) put(OUT_CONSOLE, bytes(Buffer.from(said)));
  said = [];
}

async function start() {
  const { loadMicroPython } = await import(options.micropython);
  machine = await loadMicroPython({ heapsize: options.heap_size ?? options.heap_bytes, pystack: options.stack_words ?? 2048, stdin: () => typed.shift() ?? null, stdout: say, stderr: say, linebuffer: false });
  printed = null;
  globalThis.rig_ports = ports;
  const FS = machine.FS;
  FS.ErrnoError = FileError;
  loadFlash(FS, options.shims, "/rig");
  if (options.flash) {
    loadFlash(FS, options.flash, FLASH);
    keepFlash(FS);
  } else FS.mkdir(FLASH);
  FS.chdir(FLASH);
  guarded(() => machine.runPython(`import sys\nsys.path.append("/rig")\nimport rig_boot\nrig_boot.prepare(${options.hide ? "True" : "False"})`));
  showHeap = machine.pyimport("rig_boot").show_heap;
  guarded(() => machine.runPython("import rig_boot\nrig_boot.measure()"));
}

// With `watch_heap` each answer tells what the heap holds at this yield: it takes a walk through the whole heap.
let heapInUse = null;

let booting = false; // where sys.exit() is a soft reset, as on the ESP32

function boot() {
  booting = true;
  guarded(() => machine.runPython("import micropython\nmicropython.kbd_intr(3)")); // as for each file that the port runs
  if (options.watch_heap) heapInUse = machine.pyimport("gc").mem_alloc;

  for (const name of ["boot.py", "main.py"]) {
    if (ended) return;
    if (machine.FS.analyzePath(`${FLASH}/${name}`).exists) {
      guarded(() => machine.runPython(`import rig_boot\nrig_boot.run("${name}")`));
    }
  }
  booting = false;
}

function runScript(script) {
  machine.FS.writeFile("/rig_script.py", script);
  guarded(() => machine.runPython(`import rig_boot\nrig_boot.run("/rig_script.py")`));
}

function printedBy(work) {
  const lines = [];
  printed = lines;
  const kept = outputs;
  outputs = [];
  guarded(work);
  outputs = kept;
  printed = null;
  said = [];
  return lines;
}

function information() {
  guarded(() => machine.runPython("import gc\ngc.collect()")); // the port collects when this call has ended
  const lines = printedBy(() => machine.runPython("import rig_boot\nrig_boot.report()"));
  return { lines, wasm_bytes: memory.buffer.byteLength };
}

// The heap as it is: to collect here would do the program's work for it.
function glance() {
  return { lines: printedBy(showHeap) };
}

const IN_STEP = 1, IN_BOOT = 2, IN_SCRIPT = 3, IN_INFO = 4, IN_GLANCE = 5;
const EVENT_UART_RX = 1, EVENT_PIN = 2, EVENT_ADC = 3, EVENT_CUT = 4, EVENT_I2C = 5, EVENT_TYPED = 6;

function applyEvents(body, offset) {
  while (offset < body.length && !ended) {
    const kind = body[offset++];
    if (kind === EVENT_UART_RX) {
      const port = uart(body[offset]);
      const length = body.readUInt32LE(offset + 1);
      const bytes = body.subarray(offset + 5, offset + 5 + length);
      offset += 5 + length;
      const room = Math.max(0, port.limit - port.received.length);
      port.received = Buffer.concat([port.received, bytes.subarray(0, room)]);
      if (port.heard) guarded(() => port.heard());
    } else if (kind === EVENT_PIN) {
      const pin = body[offset], level = body[offset + 1];
      offset += 2;
      const before = pinLevels.get(pin) ?? 0;
      pinLevels.set(pin, level);
      if (before !== level && pinWatchers.has(pin)) guarded(() => pinWatchers.get(pin)(level));
    } else if (kind === EVENT_ADC) {
      analogue.set(body[offset], body.readUInt32LE(offset + 1));
      offset += 5;
    } else if (kind === EVENT_I2C) {
      const device = body[offset], length = body.readUInt32LE(offset + 1);
      if (length) i2cDevices.set(device, Buffer.from(body.subarray(offset + 5, offset + 5 + length)));
      else i2cDevices.delete(device);
      offset += 5 + length;
    } else if (kind === EVENT_TYPED) {
      const length = body.readUInt32LE(offset);
      type(body.subarray(offset + 4, offset + 4 + length));
      offset += 4 + length;
    } else if (kind === EVENT_CUT) {
      cutAt = body.readUInt32LE(offset);
      cutAfter = body[offset + 4] !== 0;
      offset += 5;
    } else throw new Error(`unknown event ${kind}`);
  }
}

function handle(body) {
  outputs = [];
  const command = body[0];
  now = Math.max(now, body.readDoubleLE(1));
  if (command === IN_INFO) return text(JSON.stringify(information()));
  if (command === IN_GLANCE) return text(JSON.stringify(glance()));
  if (command === IN_BOOT) boot();
  else if (command === IN_SCRIPT) runScript(body.subarray(9).toString("utf8"));
  else applyEvents(body, 9);
  runDue();
  now += spun; // a machine that blocks is busy for that long: its clock never goes back
  spun = 0;
  looks = 0;
  tellConsole();
  const next = nextTimer();
  const heap = heapInUse === null || ended ? 0 : heapInUse();
  const at = restarts ? now : next === null ? Infinity : next.at;
  return Buffer.concat([f64(at), u32(heap), ...outputs]);
}

// ---- the wire: one frame is read, worked off and answered before the next one is looked at ---------------------------

// Node.js itself gets a turn now and then: there it frees what the machine's proxies have let go.
const FRAMES_PER_TURN = 64;
let incoming = Buffer.alloc(1 << 16);
let filled = 0;

// The next frame's body, or null when the rig has hung up. Blocks: there is nothing else to do meanwhile.
function receive() {
  for (;;) {
    const length = filled < 4 ? 0 : 4 + incoming.readUInt32LE(0);
    if (length && filled >= length) {
      const body = Buffer.from(incoming.subarray(4, length));
      incoming.copyWithin(0, length, filled);
      filled -= length;
      return body;
    }
    if (length > incoming.length) incoming = Buffer.concat([incoming], length);
    const count = fs.readSync(options.descriptor, incoming, filled, incoming.length - filled, null);
    if (count === 0) return null;
    filled += count;
  }
}

function send(body) {
  const frame = Buffer.concat([u32(body.length), body]);
  for (let sent = 0; sent < frame.length; ) sent += fs.writeSync(options.descriptor, frame, sent);
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

await start();
send(Buffer.concat([f64(Infinity), u32(0), ...outputs]));
for (let frames = 1; ; frames++) {
  const body = receive();
  if (body === null) process.exit(0);
  send(handle(body));
  await (frames % FRAMES_PER_TURN ? null : turn());
}
