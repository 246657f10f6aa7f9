// What the editor uses of three.js; `npm run build` makes three.mjs of it.
export {
  Box3, BufferAttribute, BufferGeometry, CircleGeometry, Color, DirectionalLight,
  DoubleSide, DynamicDrawUsage, Float32BufferAttribute, Group, HemisphereLight, LatheGeometry,
  LineBasicMaterial, LineSegments, Matrix4, Mesh, MeshBasicMaterial, MeshLambertMaterial, Object3D, PerspectiveCamera, Plane, PlaneGeometry,
  Points, PointsMaterial, Raycaster, RingGeometry, SRGBColorSpace, Scene, ShaderMaterial, SphereGeometry, SplineCurve,
  TextureLoader, Vector2, Vector3, WebGLRenderer,
} from "three";
export { OrbitControls } from "three/examples/jsm/controls/OrbitControls.js";
export { TransformControls } from "three/examples/jsm/controls/TransformControls.js";
export { Line2 } from "three/examples/jsm/lines/Line2.js";
export { LineGeometry } from "three/examples/jsm/lines/LineGeometry.js";
export { LineMaterial } from "three/examples/jsm/lines/LineMaterial.js";
export { LineSegments2 } from "three/examples/jsm/lines/LineSegments2.js";
export { LineSegmentsGeometry } from "three/examples/jsm/lines/LineSegmentsGeometry.js";
