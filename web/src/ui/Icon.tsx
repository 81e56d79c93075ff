const PATHS = {
  check: "M3.5 8.5 6.5 11.5 12.5 5",
  cross: "M4.5 4.5 11.5 11.5M11.5 4.5 4.5 11.5",
  slash: "M4 12 12 4",
  clock: "M8 4.5V8l2.5 1.5",
  question: "M6 6.2a2 2 0 1 1 2.7 1.9c-.5.2-.7.5-.7 1.1M8 11.6v.1",
  chevron: "M6 4 10 8 6 12",
  down: "M8 3.5v9M4 8.5 8 12.5 12 8.5",
  up: "M8 12.5v-9M4 7.5 8 3.5 12 7.5",
  plus: "M8 3.5v9M3.5 8h9",
  trash: "M3.5 4.5h9M6.5 4.5v-1h3v1M5 4.5l.5 8h5l.5-8",
  menu: "M2.5 4.5h11M2.5 8h11M2.5 11.5h11",
  stop: "M4.5 4.5h7v7h-7zM6 6h4v4H6zM7.5 7.5h1v1h-1z",
  file: "M4.5 2.5h4l3 3v8h-7zM8.5 2.5v3h3",
  left: "M10 4 6 8 10 12",
  right: "M6 4 10 8 6 12",
  copy: "M6 6h7v7H6zM3 10V3h7",
} as const;

export type IconName = keyof typeof PATHS;

/** A small drawing that goes with words; it says nothing to a screen reader. */
export function Icon({ name, size = 16 }: { name: IconName; size?: number }) {
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.6"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
    >
      <path d={PATHS[name]} />
    </svg>
  );
}
