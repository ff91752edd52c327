// Many points on a canvas: by WebGL, or where there is none by the plain canvas.

const VERTEX = `
attribute vec2 place; attribute vec3 colour; attribute float state;
uniform vec2 scale; uniform vec2 shift; uniform float size;
varying vec4 paint;
void main() {
  gl_Position = vec4(place * scale + shift, 0.0, 1.0);
  gl_PointSize = size;
  paint = vec4(colour, state < 0.5 ? 0.13 : 0.8);
}`;
const FRAGMENT = `
precision mediump float; varying vec4 paint;
void main() {
  float away = length(gl_PointCoord - 0.5) * 2.0;
  float alpha = paint.a * (1.0 - smoothstep(0.75, 1.0, away));
  gl_FragColor = vec4(paint.rgb * alpha, alpha);
}`;

export function makePoints(canvas) {
  const gl = canvas.getContext("webgl", { antialias: false, alpha: true, premultipliedAlpha: true });
  return gl ? webgl(gl) : plainCanvas(canvas.getContext("2d"));
}

function webgl(gl) {
  const program = gl.createProgram();
  for (const [kind, text] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  gl.useProgram(program);
  gl.enable(gl.BLEND);
  gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  let count = 0;
  const fields = {
    place: [2, gl.FLOAT, false], colour: [3, gl.UNSIGNED_BYTE, true], state: [1, gl.UNSIGNED_BYTE, false],
  };
  for (const [name, field] of Object.entries(fields)) {
    field.push(gl.createBuffer(), gl.getAttribLocation(program, name));
  }
  const uniform = (name) => gl.getUniformLocation(program, name);
  const at = { scale: uniform("scale"), shift: uniform("shift"), size: uniform("size") };
  return {
    kind: "webgl",
    set(name, values) {
      const [length, type, whole, buffer, place] = fields[name];
      gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
      gl.bufferData(gl.ARRAY_BUFFER, values, gl.DYNAMIC_DRAW);
      gl.enableVertexAttribArray(place);
      gl.vertexAttribPointer(place, length, type, whole, 0, 0);
      if (name === "place") count = values.length / 2;
    },
    draw(view, size, width, height) {
      gl.viewport(0, 0, width, height);
      gl.clear(gl.COLOR_BUFFER_BIT);
      gl.uniform2f(at.scale, (2 * view.scale) / width, (2 * view.scale) / height);
      gl.uniform2f(at.shift, (-2 * view.scale * view.x) / width, (-2 * view.scale * view.y) / height);
      gl.uniform1f(at.size, size);
      gl.drawArrays(gl.POINTS, 0, count);
    },
  };
}

function plainCanvas(context) {
  const held = {};
  return {
    kind: "canvas",
    set(name, values) { held[name] = values; },
    draw(view, size, width, height) {
      context.clearRect(0, 0, width, height);
      const { place, colour, state } = held;
      if (!place || !colour || !state) return;
      for (let i = 0; i < state.length; i++) {
        const x = width / 2 + (place[2 * i] - view.x) * view.scale;
        const y = height / 2 - (place[2 * i + 1] - view.y) * view.scale;
        if (!(x > -size && x < width + size && y > -size && y < height + size)) continue;
        const side = 0.9 * size;
        context.fillStyle = `rgba(${colour[3 * i]},${colour[3 * i + 1]},${colour[3 * i + 2]},${state[i] ? 0.8 : 0.13})`;
        context.fillRect(x - side / 2, y - side / 2, side, side);
      }
    },
  };
}

// Finds the point nearest to a place, by a grid over all of them.
export function makeGrid(places) {
  const count = places.length / 2, side = Math.max(1, Math.min(512, Math.round(Math.sqrt(count / 2))));
  let [left, low, right, high] = [Infinity, Infinity, -Infinity, -Infinity];
  for (let i = 0; i < count; i++) {
    const x = places[2 * i], y = places[2 * i + 1];
    if (!Number.isFinite(x) || !Number.isFinite(y)) continue;
    left = Math.min(left, x); right = Math.max(right, x); low = Math.min(low, y); high = Math.max(high, y);
  }
  const wide = (right - left) / side || 1, tall = (high - low) / side || 1;
  const column = (x) => Math.min(side - 1, Math.max(0, Math.floor((x - left) / wide)));
  const line = (y) => Math.min(side - 1, Math.max(0, Math.floor((y - low) / tall)));
  const starts = new Uint32Array(side * side + 1), cells = new Int32Array(count).fill(-1);
  for (let i = 0; i < count; i++) {
    if (!Number.isFinite(places[2 * i])) continue;
    cells[i] = line(places[2 * i + 1]) * side + column(places[2 * i]);
    starts[cells[i] + 1]++;
  }
  for (let i = 0; i < side * side; i++) starts[i + 1] += starts[i];
  const held = new Uint32Array(count), next = starts.slice();
  for (let i = 0; i < count; i++) if (cells[i] >= 0) held[next[cells[i]]++] = i;
  return {
    bounds: { left, low, right, high },
    nearest(x, y, reach) {
      let best = -1, least = reach * reach;
      for (let b = line(y - reach); b <= line(y + reach); b++) {
        for (let a = column(x - reach); a <= column(x + reach); a++) {
          for (let at = starts[b * side + a]; at < starts[b * side + a + 1]; at++) {
            const i = held[at], away = (places[2 * i] - x) ** 2 + (places[2 * i + 1] - y) ** 2;
            if (away < least) [best, least] = [i, away];
          }
        }
      }
      return best;
    },
  };
}
