// The backdrop of the path: an image as the first camera sees it, or points in space. Both are fixed to the first pose.
import * as THREE from "./vendor/three.mjs";
import { matrixOf } from "./objects.mjs";

export class Backdrop {
  constructor(changed) {
    this.changed = changed;
    this.object = new THREE.Group();
    this.object.matrixAutoUpdate = false;
  }

  get empty() {
    return this.object.children.length === 0;
  }

  /** message: what the node sent after a run; address: from a file in it to its URL. What cannot be loaded is left out. */
  async load(message, address) {
    const wanted = (this.wanted = JSON.stringify(message ?? null));
    const parts = [];
    if (message?.points) {
      const answer = await fetch(address(message.points));
      if (answer.ok) parts.push(pointsFrom(await answer.arrayBuffer(), message.count));
    } else if (message?.image) {
      const texture = await new THREE.TextureLoader().loadAsync(address(message.image)).catch(() => null);
      if (texture) parts.push(paneFrom(texture));
    }
    if (wanted !== this.wanted) {
      parts.forEach(dispose);
      return;
    }
    this.clear();
    this.object.add(...parts);
    this.changed();
  }

  /** Fix it to the first camera. */
  place(pose, aspect) {
    this.object.matrix.copy(matrixOf(pose));
    this.object.matrixWorldNeedsUpdate = true;
    const width = 2 * Math.tan((pose.fov * Math.PI) / 360);
    for (const part of this.object.children) if (part.userData.pane) part.scale.set(width, width / aspect, 1);
  }

  clear() {
    this.object.children.slice().forEach((part) => {
      this.object.remove(part);
      dispose(part);
    });
  }
}

function dispose(part) {
  part.geometry.dispose();
  part.material.map?.dispose();
  part.material.dispose();
}

function paneFrom(texture) {
  texture.colorSpace = THREE.SRGBColorSpace;
  const material = new THREE.MeshBasicMaterial({ map: texture, side: THREE.DoubleSide, transparent: true, opacity: 0.92 });
  const pane = new THREE.Mesh(new THREE.PlaneGeometry(1, 1), material);
  pane.rotation.x = Math.PI; // the image's up is -y here
  pane.position.z = 1;
  pane.userData.pane = true;
  return pane;
}

function pointsFrom(buffer, count) {
  const geometry = new THREE.BufferGeometry();
  geometry.setAttribute("position", new THREE.BufferAttribute(new Float32Array(buffer, 0, count * 3), 3));
  geometry.setAttribute("color", new THREE.BufferAttribute(new Uint8Array(buffer, count * 12, count * 3), 3, true));
  // The colors are sRGB: the shader expects linear light.
  const material = new THREE.PointsMaterial({ size: 0.012, vertexColors: true });
  const colors = geometry.attributes.color, color = new THREE.Color();
  const linear = new Float32Array(count * 3);
  for (let k = 0; k < count; k++) {
    color.setRGB(colors.getX(k), colors.getY(k), colors.getZ(k), THREE.SRGBColorSpace);
    linear.set([color.r, color.g, color.b], k * 3);
  }
  geometry.setAttribute("color", new THREE.BufferAttribute(linear, 3));
  return new THREE.Points(geometry, material);
}
