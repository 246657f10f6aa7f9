// The 3D view: draws the path, lets it be orbited, and turns the pointer into changes of the chosen key. It draws on demand.
import * as THREE from "./vendor/three.mjs";
import { Backdrop } from "./backdrop.mjs";
import { Aim, CameraModel, COLORS, makeGround, makeSubject, matrixOf, Track } from "./objects.mjs";
import { keyMatrix } from "./path.mjs";

const HOME = { position: [1.1, 0.75, 0.75], target: [0.05, -0.08, -0.55] };
const LOOKS = {
  home: HOME,
  top: { position: [0, 3.2, -0.5], target: [0, 0, -0.501] },
  front: { position: [0, 0.1, 2.4], target: [0, 0, -0.5] },
  side: { position: [3, 0.1, -0.5], target: [0, 0, -0.5] },
};
// three.js cameras look along -z with y up; ours along z with y down.
const FLIP = new THREE.Matrix4().makeRotationX(Math.PI);

export class View {
  /** on: {choose(index), drag(kind, value), drop(), grab()}: callbacks for changes by the pointer. Throws without WebGL. */
  constructor(canvas, on) {
    this.canvas = canvas;
    this.on = on;
    this.renderer = new THREE.WebGLRenderer({ canvas, antialias: true, powerPreference: "low-power" });
    this.renderer.autoClear = false;
    this.renderer.setScissorTest(true);
    canvas.addEventListener("webglcontextrestored", () => this.request()); // browsers keep about 16 views alive
    this.scene = new THREE.Scene();
    this.scene.add(new THREE.HemisphereLight(0xffffff, 0x4a5058, 2.2));
    const sun = new THREE.DirectionalLight(0xffffff, 1.6);
    sun.position.set(1.5, 3, 2);
    this.scene.add(sun);
    this.world = new THREE.Group();
    this.world.rotation.x = Math.PI;
    this.scene.add(this.world);
    this.tools = new THREE.Group(); // hidden in the camera's own image
    this.subject = makeSubject();
    this.backdrop = new Backdrop(() => this.request());
    this.world.add(makeGround(), this.subject, this.backdrop.object, this.tools);
    this.track = new Track();
    this.now = new CameraModel(COLORS.now, 2.5, false);
    this.aim = new Aim();
    this.handle = new THREE.Object3D();
    this.tools.add(this.track.object, this.now.object, this.aim.object);
    this.world.add(this.handle);
    this.keys = [];
    this.eye = new THREE.PerspectiveCamera(42, 1, 0.01, 100);
    this.shot = new THREE.PerspectiveCamera(40, 1.5, 0.01, 100);
    this.shot.matrixAutoUpdate = false;
    this.world.add(this.shot);
    this.tool = "move";
    this.through = false;
    this.inset = true;
    this.#listen();
    this.gizmo = new THREE.TransformControls(this.eye, canvas);
    this.gizmo.setSize(0.75);
    this.gizmo.setColors(0xff6b6b, 0x6fd18a, 0x6ba8ff, COLORS.chosen);
    this.gizmoObject = this.gizmo.getHelper();
    this.scene.add(this.gizmoObject);
    this.orbit = new THREE.OrbitControls(this.eye, canvas);
    this.orbit.enableZoom = false; // until the editor has the focus
    this.orbit.minDistance = 0.2;
    this.orbit.maxDistance = 30;
    this.orbit.addEventListener("change", () => this.request());
    this.gizmo.addEventListener("change", () => this.request());
    this.gizmo.addEventListener("dragging-changed", ({ value }) => {
      this.orbit.enabled = !value;
      if (value) this.on.grab();
      else this.on.drop();
    });
    this.gizmo.addEventListener("objectChange", () => this.#moved());
    this.look("home");
  }

  look(name) {
    const { position, target } = LOOKS[name];
    this.eye.position.set(...position);
    this.orbit.target.set(...target);
    this.orbit.update();
    this.request();
  }

  /** Move the eye along its line of sight until the path and the subject fill the view. */
  fit(points) {
    const all = [...points, [0, -0.2, 1], [0, 0.3, 1]].map((p) => new THREE.Vector3(p[0], -p[1], -p[2]));
    const center = new THREE.Box3().setFromPoints(all).getCenter(new THREE.Vector3());
    const away = this.eye.position.clone().sub(this.orbit.target).normalize();
    const outside = (distance) => {
      this.eye.position.copy(center).addScaledVector(away, distance);
      this.eye.lookAt(center);
      this.eye.updateMatrixWorld();
      const seen = new THREE.Vector3();
      return all.some((p) => {
        seen.copy(p).applyMatrix4(this.eye.matrixWorldInverse);
        if (seen.z > -0.05) return true;
        seen.applyMatrix4(this.eye.projectionMatrix);
        return Math.max(Math.abs(seen.x), Math.abs(seen.y)) > 0.68;
      });
    };
    let [near, far] = [0.3, 30];
    for (let k = 0; k < 24; k++) {
      const middle = (near + far) / 2;
      if (outside(middle)) near = middle;
      else far = middle;
    }
    outside(far);
    this.orbit.target.copy(center);
    this.orbit.update();
    this.request();
  }

  /** Show a state. poses: of all frames; smooth: positions for the line; now: the pose at the playhead; resting: whether
   *  the playhead is on a key. */
  show({ state, chosen, poses, smooth, now, resting, aspect }) {
    Object.assign(this, { state, chosen, poses, smooth, aspect, pose: now });
    this.now.object.visible = !resting;
    while (this.keys.length > state.keys.length) {
      const model = this.keys.pop();
      this.tools.remove(model.object);
      model.dispose();
    }
    while (this.keys.length < state.keys.length) {
      const model = new CameraModel(COLORS.key, 2, true);
      this.keys.push(model);
      this.tools.add(model.object);
    }
    this.keys.forEach((model, k) => {
      model.setColor(k === chosen ? COLORS.chosen : COLORS.key);
      model.grip.userData.key = k;
    });
    this.aim.update(state.keys[chosen]);
    this.shot.matrix.copy(matrixOf(now)).multiply(FLIP);
    this.shot.matrixWorldNeedsUpdate = true;
    this.shot.fov = (Math.atan(Math.tan((now.fov * Math.PI) / 360) / aspect) * 360) / Math.PI;
    this.shot.aspect = aspect;
    this.shot.updateProjectionMatrix();
    this.backdrop.place(poses[0], aspect);
    this.subject.visible = this.backdrop.empty;
    if (!this.gizmo.dragging) this.#attach();
    this.request();
  }

  setTool(tool) {
    this.tool = tool;
    this.#attach();
    this.request();
  }

  /** The gizmo on the chosen key: arrows, rings, or arrows on the point it looks at. */
  #attach() {
    const key = this.state?.keys[this.chosen];
    const aiming = this.tool === "aim";
    if (!key || this.through || (aiming && !key.target)) {
      this.gizmo.detach();
      return;
    }
    this.handle.position.set(...(aiming ? key.target : key.position));
    this.handle.quaternion.identity();
    if (this.tool === "turn") {
      const matrix = matrixOf({ position: key.position, rotation: keyMatrix(key) });
      this.handle.quaternion.setFromRotationMatrix(matrix);
    }
    this.gizmo.setMode(this.tool === "turn" ? "rotate" : "translate");
    this.gizmo.setSpace(this.tool === "turn" ? "local" : "world");
    this.gizmo.attach(this.handle);
  }

  #moved() {
    const { position: p, quaternion: q } = this.handle;
    if (this.tool === "turn") this.on.drag("turn", [q.w, q.x, q.y, q.z]);
    else this.on.drag(this.tool, [p.x, p.y, p.z]);
  }

  /** Key cameras can be dragged directly: they move in the plane that faces the view. */
  #listen() {
    const ray = new THREE.Raycaster(), plane = new THREE.Plane(), pointer = new THREE.Vector2();
    const hit = new THREE.Vector3(), offset = new THREE.Vector3(), normal = new THREE.Vector3();
    let held = null;
    const aimRay = (event) => {
      const box = this.canvas.getBoundingClientRect();
      pointer.set(((event.clientX - box.left) / box.width) * 2 - 1, 1 - ((event.clientY - box.top) / box.height) * 2);
      ray.setFromCamera(pointer, this.eye);
    };
    this.canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || this.through || this.gizmo.axis || !this.keys.length) return;
      aimRay(event);
      const grips = this.keys.map((model) => model.grip);
      const [hitGrip] = ray.intersectObjects(grips, false);
      if (!hitGrip) return;
      const index = hitGrip.object.userData.key;
      this.on.choose(index);
      this.orbit.enabled = false;
      this.gizmo.enabled = false;
      this.canvas.setPointerCapture(event.pointerId);
      const key = this.world.localToWorld(new THREE.Vector3(...this.state.keys[index].position));
      plane.setFromNormalAndCoplanarPoint(this.eye.getWorldDirection(normal), key);
      ray.ray.intersectPlane(plane, hit);
      offset.copy(key).sub(hit);
      held = { x: event.clientX, y: event.clientY, moved: false };
    });
    this.canvas.addEventListener("pointermove", (event) => {
      if (!held) return;
      if (!held.moved && Math.hypot(event.clientX - held.x, event.clientY - held.y) < 4) return;
      if (!held.moved) this.on.grab();
      held.moved = true;
      aimRay(event);
      if (!ray.ray.intersectPlane(plane, hit)) return;
      const place = this.world.worldToLocal(hit.add(offset).clone());
      this.on.drag("move", [place.x, place.y, place.z]);
    });
    const release = () => {
      if (!held) return;
      this.orbit.enabled = this.gizmo.enabled = true;
      if (held.moved) this.on.drop();
      held = null;
    };
    this.canvas.addEventListener("pointerup", release);
    this.canvas.addEventListener("pointercancel", release);
    // OrbitControls listens on the document, which gets no events from inside a node in Nodes 2.0: dispatch them there.
    for (const kind of ["pointermove", "pointerup"])
      this.canvas.addEventListener(kind, (event) => {
        if (kind === "pointermove" && !event.buttons) return;
        event.stopPropagation();
        document.dispatchEvent(new PointerEvent(kind, event));
      });
  }

  /** Snap to round values while Shift is held. */
  snap(active) {
    this.gizmo.setTranslationSnap(active ? 0.05 : null);
    this.gizmo.setRotationSnap(active ? Math.PI / 36 : null);
  }

  request() {
    if (!this.pending) this.pending = requestAnimationFrame(() => this.render());
  }

  /** The canvas changed its size on the page. The size is kept: reading it every frame would force a new layout. */
  resize(width, height) {
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    if (width < 8 || height < 8 || (this.width === width && this.height === height && this.ratio === ratio)) return;
    Object.assign(this, { width, height, ratio });
    this.renderer.setPixelRatio(ratio);
    this.renderer.setSize(width, height, false);
    this.eye.aspect = width / height;
    this.eye.updateProjectionMatrix();
    this.request();
  }

  /** Where the camera's image lies in the canvas, in CSS pixels from the bottom left: the inset, or all of it. */
  imageBox() {
    const { width, height } = this;
    let w = this.through ? width - 24 : Math.min(width * 0.32, 340), h = w / this.aspect;
    const most = this.through ? height - 24 : Math.min(height * 0.4, 300);
    if (h > most) [w, h] = [most * this.aspect, most];
    if (this.through) return { x: (width - w) / 2, y: (height - h) / 2, w, h };
    return { x: width - w - 10, y: 10, w, h };
  }

  render() {
    cancelAnimationFrame(this.pending);
    this.pending = 0;
    if (!this.state || !this.width) return;
    const { width, height } = this;
    const size = Math.min(Math.max(this.eye.position.distanceTo(this.orbit.target) / 20, 0.03), 0.5);
    this.track.update(this.poses, this.smooth, this.aspect, size * 0.62);
    this.state.keys.forEach((key, k) => {
      const pose = { position: key.position, rotation: keyMatrix(key), fov: key.fov };
      this.keys[k].update(pose, this.aspect, size);
    });
    this.now.update(this.pose, this.aspect, size * 0.85);
    this.aim.disc.scale.setScalar(size * 0.22);
    this.aim.disc.quaternion.copy(this.world.quaternion).invert().multiply(this.eye.quaternion);
    const whole = { x: 0, y: 0, w: width, h: height };
    if (this.through) this.#paint(whole, null, 0x0d0e10);
    else this.#paint(whole, this.eye, COLORS.background);
    if (this.through || this.inset) this.#paint(this.imageBox(), this.shot, COLORS.background + 0x07080a);
    this.frames = (this.frames ?? 0) + 1; // drawn so far
    this.on.drawn?.();
  }

  #paint({ x, y, w, h }, camera, color) {
    this.renderer.setViewport(x, y, w, h);
    this.renderer.setScissor(x, y, w, h);
    this.renderer.setClearColor(color, 1);
    this.renderer.clear();
    if (!camera) return;
    this.tools.visible = this.gizmoObject.visible = camera === this.eye;
    this.renderer.render(this.scene, camera);
  }

  dispose() {
    cancelAnimationFrame(this.pending);
    this.gizmo.dispose();
    this.orbit.dispose();
    this.scene.traverse((part) => {
      part.geometry?.dispose();
      part.material?.dispose?.();
    });
    this.backdrop.clear();
    this.renderer.dispose();
    this.renderer.forceContextLoss();
  }
}
