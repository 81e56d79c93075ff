import { crc32, deflateSync } from "node:zlib";

type Colour = readonly [number, number, number];

/** A PNG that looks like a small shop from afar: bars and cards, in `accent`. */
export function pagePicture(width: number, height: number, accent: Colour): Uint8Array<ArrayBuffer> {
  const rows = Buffer.alloc(height * (width * 3 + 1));
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      rows.set(colourAt(x / width, y / height, accent), y * (width * 3 + 1) + 1 + x * 3);
    }
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2], 8);
  return Uint8Array.from(
    Buffer.concat([
      Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
      chunk("IHDR", header),
      chunk("IDAT", deflateSync(rows)),
      chunk("IEND", Buffer.alloc(0)),
    ]),
  );
}

function colourAt(x: number, y: number, accent: Colour): Colour {
  if (y < 0.12) {
    return accent;
  }
  if (y < 0.28) {
    return x > 0.06 && x < 0.5 && y > 0.18 && y < 0.23 ? [70, 76, 74] : [250, 250, 248];
  }
  const [column, row] = [(x * 3) % 1, ((y - 0.28) / 0.36) % 1];
  const inCard = column > 0.08 && column < 0.92 && row > 0.06 && row < 0.9;
  if (!inCard) {
    return [250, 250, 248];
  }
  if (row < 0.62) {
    return [228 - 30 * y, 224 - 10 * x, 214];
  }
  return row > 0.7 && row < 0.75 && column < 0.7 && column > 0.14 ? [90, 96, 94] : [255, 255, 255];
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  sum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, sum]);
}
