// The objects of the 3D view: ground, subject, path, frustums, key cameras, aim. All are in the path's own axes (x right,
// y down, z forward); the view turns the whole world upright for three.js.
import * as THREE from "./vendor/three.mjs";

export const COLORS = {
  background: 0x17191d, grid: 0x3b4048, axis: 0x59616c, subject: 0x7c8798, face: 0xd9dee6,
  start: 0x35d0ba, end: 0xa78bfa, key: 0xd5dae1, chosen: 0xffb547, now: 0xffffff, aim: 0xff6b6b,
}; // prettier-ignore
export const MOST_FRAMES = 129; // frustums drawn; longer clips show every n-th
const GROUND = 0.3; // how far the ground lies below the first camera, in subject distances

/** The five corners of a frustum of depth 1: the eye, then top left, top right, bottom right, bottom left. */
export function corners(fov, aspect, depth = 1) {
  const x = Math.min(depth * Math.tan((fov * Math.PI) / 360), depth * 2.5), y = x / aspect;
  return [[0, 0, 0], [-x, -y, depth], [x, -y, depth], [x, y, depth], [-x, y, depth]];
}
const EDGES = [0, 1, 0, 2, 0, 3, 0, 4, 1, 2, 2, 3, 3, 4, 4, 1];

/** The camera-to-world of a pose as a matrix of three.js. */
export function matrixOf({ position: p, rotation: r }) {
  return new THREE.Matrix4().set(r[0], r[1], r[2], p[0], r[3], r[4], r[5], p[1], r[6], r[7], r[8], p[2], 0, 0, 0, 1);
}

/** Ground lines that fade with distance. */
export function makeGround() {
  const size = 12, geometry = new THREE.PlaneGeometry(size, size);
  const material = new THREE.ShaderMaterial({
    transparent: true, depthWrite: false, side: THREE.DoubleSide,
    uniforms: { fine: { value: new THREE.Color(COLORS.grid) }, coarse: { value: new THREE.Color(COLORS.axis) } },
    vertexShader: "varying vec2 at; void main() { at = position.xy; gl_Position = projectionMatrix * modelViewMatrix * vec4(position, 1.0); }",
    fragmentShader: `varying vec2 at; uniform vec3 fine; uniform vec3 coarse;
      float lines(float every, float width) {
        vec2 p = at / every, w = fwidth(p);
        vec2 d = abs(fract(p - 0.5) - 0.5) / max(w, 1e-5);
        vec2 seen = (1.0 - min(d / width, 1.0)) * clamp(1.2 - w * 2.0, 0.0, 1.0);
        return max(seen.x, seen.y);
      }
      void main() {
        float fade = 1.0 - smoothstep(1.5, 5.5, length(at));
        float a = lines(0.25, 1.0) * 0.55, b = lines(1.0, 1.3);
        vec3 color = mix(fine, coarse, b);
        gl_FragColor = vec4(color, max(a, b) * fade);
        #include <colorspace_fragment>
      }`,
  }); // prettier-ignore
  const ground = new THREE.Mesh(geometry, material);
  ground.rotation.x = Math.PI / 2;
  ground.position.set(0, GROUND, 1);
  ground.renderOrder = -2;
  return ground;
}

/** A figure where the subject is: a game piece that faces the first camera. */
export function makeSubject() {
  const group = new THREE.Group();
  const cloth = new THREE.MeshLambertMaterial({ color: COLORS.subject });
  const part = (geometry, material, x, y, z) => {
    const mesh = new THREE.Mesh(geometry, material);
    mesh.position.set(x, y, z);
    group.add(mesh);
    return mesh;
  };
  // Radius and height of the turned body, from the neck down to the hem, rounded by a curve.
  const outline = [[0.02, -0.105], [0.032, -0.092], [0.058, -0.07], [0.066, -0.04], [0.058, 0.02], [0.054, 0.08],
    [0.062, 0.16], [0.076, 0.24], [0.087, 0.285], [0.082, 0.297], [0, 0.298]]; // prettier-ignore
  const curve = new THREE.SplineCurve(outline.map(([r, y]) => new THREE.Vector2(r, y)));
  part(new THREE.LatheGeometry(curve.getPoints(60), 48), cloth, 0, 0, 0);
  part(new THREE.SphereGeometry(0.047, 40, 30), cloth, 0, -0.137, 0).scale.y = 1.06;
  // The face is a part of the same ball, a little above it.
  const face = new THREE.MeshLambertMaterial({ color: COLORS.face, side: THREE.DoubleSide });
  const mask = part(new THREE.SphereGeometry(0.0478, 40, 12, 0, Math.PI * 2, 0, 0.72), face, 0, -0.137, 0);
  mask.rotation.x = -Math.PI / 2;
  mask.scale.z = 1.06;
  const dark = { color: 0x000000, transparent: true, opacity: 0.3, side: THREE.DoubleSide, depthWrite: false };
  const shadow = part(new THREE.CircleGeometry(0.14, 48), new THREE.MeshBasicMaterial(dark), 0, GROUND - 0.001, 0);
  shadow.rotation.x = Math.PI / 2;
  shadow.renderOrder = -1;
  group.position.set(0, 0, 1);
  return group;
}

/** The path's line and a small frustum per frame, all in two draw calls. */
export class Track {
  constructor() {
    this.object = new THREE.Group();
    const geometry = new THREE.BufferGeometry();
    this.positions = new Float32Array(MOST_FRAMES * EDGES.length * 3);
    this.colors = new Float32Array(MOST_FRAMES * EDGES.length * 3);
    for (const [name, values] of [["position", this.positions], ["color", this.colors]])
      geometry.setAttribute(name, new THREE.BufferAttribute(values, 3).setUsage(THREE.DynamicDrawUsage));
    this.frustums = new THREE.LineSegments(
      geometry,
      new THREE.LineBasicMaterial({ vertexColors: true, transparent: true, opacity: 0.42, depthWrite: false }),
    );
    this.frustums.frustumCulled = false;
    this.line = new THREE.Line2(
      new THREE.LineGeometry(),
      new THREE.LineMaterial({ linewidth: 3, vertexColors: true, transparent: true }),
    );
    this.line.frustumCulled = false;
    this.object.add(this.line, this.frustums);
    this.from = new THREE.Color(COLORS.start);
    this.to = new THREE.Color(COLORS.end);
  }

  /** poses: of all frames; smooth: positions on a finer grid of the clip; size: depth of a frustum. */
  update(poses, smooth, aspect, size) {
    const every = Math.ceil(poses.length / MOST_FRAMES);
    let at = 0;
    for (let k = 0; k < poses.length; k += every) {
      const { position: p, rotation: r, fov } = poses[k];
      const points = corners(fov, aspect, size);
      const share = poses.length > 1 ? k / (poses.length - 1) : 0;
      const red = this.from.r + (this.to.r - this.from.r) * share;
      const green = this.from.g + (this.to.g - this.from.g) * share;
      const blue = this.from.b + (this.to.b - this.from.b) * share;
      for (const edge of EDGES) {
        const [x, y, z] = points[edge];
        this.positions[at] = r[0] * x + r[1] * y + r[2] * z + p[0];
        this.positions[at + 1] = r[3] * x + r[4] * y + r[5] * z + p[1];
        this.positions[at + 2] = r[6] * x + r[7] * y + r[8] * z + p[2];
        this.colors[at] = red;
        this.colors[at + 1] = green;
        this.colors[at + 2] = blue;
        at += 3;
      }
    }
    const { geometry } = this.frustums;
    geometry.setDrawRange(0, at / 3);
    geometry.attributes.position.needsUpdate = geometry.attributes.color.needsUpdate = true;
    // A line needs two different points; a camera that only turns has none.
    const moving = smooth.some((p) => Math.hypot(p[0] - smooth[0][0], p[1] - smooth[0][1], p[2] - smooth[0][2]) > 1e-5);
    this.line.visible = moving;
    if (!moving) return;
    const colors = [], color = new THREE.Color();
    smooth.forEach((_, k) => colors.push(...color.lerpColors(this.from, this.to, k / (smooth.length - 1)).toArray()));
    if (this.count !== smooth.length) {
      this.line.geometry.dispose();
      this.line.geometry = new THREE.LineGeometry();
      this.count = smooth.length;
    }
    this.line.geometry.setPositions(smooth.flat());
    this.line.geometry.setColors(colors);
  }
}

/** A camera as in 3D programs: a wire frustum, a triangle on its upper side, and an invisible shape to grab. */
export class CameraModel {
  constructor(color, width, pickable) {
    this.object = new THREE.Group();
    this.wire = new THREE.LineSegments2(
      new THREE.LineSegmentsGeometry(),
      new THREE.LineMaterial({ color, linewidth: width }),
    );
    this.wire.frustumCulled = false;
    const fill = { color, transparent: true, side: THREE.DoubleSide, depthWrite: false };
    this.mark = new THREE.Mesh(new THREE.BufferGeometry(), new THREE.MeshBasicMaterial({ ...fill, opacity: 0.95 }));
    this.pane = new THREE.Mesh(new THREE.BufferGeometry(), new THREE.MeshBasicMaterial({ ...fill, opacity: 0.12 }));
    this.eye = new THREE.Mesh(new THREE.SphereGeometry(0.1, 16, 12), new THREE.MeshBasicMaterial({ color }));
    this.object.add(this.wire, this.mark, this.pane, this.eye);
    if (pickable) {
      this.grip = new THREE.Mesh(new THREE.SphereGeometry(0.62, 12, 8), new THREE.MeshBasicMaterial({ visible: false }));
      this.grip.position.z = 0.45;
      this.object.add(this.grip);
    }
    this.object.matrixAutoUpdate = false;
  }

  setColor(value) {
    for (const part of [this.wire, this.mark, this.pane, this.eye]) part.material.color.setHex(value);
  }

  update(pose, aspect, size) {
    if (this.fov !== pose.fov || this.aspect !== aspect) {
      [this.fov, this.aspect] = [pose.fov, aspect];
      const points = corners(pose.fov, aspect);
      this.wire.geometry.setPositions(EDGES.flatMap((edge) => points[edge]));
      const [, a, b, c, d] = points;
      const middle = (a[0] + b[0]) / 2, wide = (b[0] - a[0]) * 0.22, top = a[1] * 1.12;
      const triangle = [middle - wide, top, 1, middle + wide, top, 1, middle, top - wide * 1.2, 1];
      this.mark.geometry.setAttribute("position", new THREE.Float32BufferAttribute(triangle, 3));
      const pane = [...a, ...b, ...c, ...a, ...c, ...d];
      this.pane.geometry.setAttribute("position", new THREE.Float32BufferAttribute(pane, 3));
    }
    this.object.matrix.copy(matrixOf(pose)).scale(new THREE.Vector3(size, size, size));
    this.object.matrixWorldNeedsUpdate = true;
  }

  dispose() {
    this.object.traverse((part) => {
      part.geometry?.dispose();
      part.material?.dispose();
    });
  }
}

/** The point that the chosen key looks at, and the line to it. */
export class Aim {
  constructor() {
    this.object = new THREE.Group();
    const ring = new THREE.MeshBasicMaterial({ color: COLORS.aim, side: THREE.DoubleSide, depthTest: false, transparent: true });
    this.ring = new THREE.Mesh(new THREE.RingGeometry(0.7, 1, 32), ring);
    this.dot = new THREE.Mesh(new THREE.CircleGeometry(0.28, 20), ring);
    this.ring.renderOrder = this.dot.renderOrder = 5;
    this.line = new THREE.Line2(
      new THREE.LineGeometry(),
      new THREE.LineMaterial({ color: COLORS.aim, linewidth: 1.5, dashed: true, dashSize: 0.03, gapSize: 0.03, transparent: true, opacity: 0.7 }),
    ); // prettier-ignore
    this.line.frustumCulled = false;
    this.disc = new THREE.Group();
    this.disc.add(this.ring, this.dot);
    this.object.add(this.disc, this.line);
  }

  update(key) {
    this.object.visible = Boolean(key?.target);
    if (!this.object.visible) return;
    this.disc.position.set(...key.target);
    this.line.geometry.setPositions([...key.position, ...key.target]);
    this.line.computeLineDistances();
  }
}
