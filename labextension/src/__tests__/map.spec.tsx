import { cleanup, render, screen } from '@testing-library/react';
import * as React from 'react';
import { afterEach, describe, expect, it } from 'vitest';
import { coastPath } from '../map/coast';
import WorldMap, { boxesOf } from '../map/worldmap';

afterEach(cleanup);

const WORLD = [-180, -90, 180, 90] as const;

describe('coastlines', () => {
  it('lie where longitude and latitude say', () => {
    expect(coastPath([[[0, 0], [90, 45]]], WORLD, 360, 180)).toBe('M180.0 90.0L270.0 45.0'); // prettier-ignore
  });

  it('are drawn for any turn of the map, and not beside it', () => {
    const line = [[[-90, 0], [-80, 0]]] as const; // prettier-ignore
    expect(coastPath(line, [0, -90, 360, 90], 360, 180)).toBe('M270.0 90.0L280.0 90.0');
    expect(coastPath(line, [0, -90, 100, 90], 100, 180)).toBe('');
  });

  it('have no line where the atlas is cut, nor on a map without a width', () => {
    expect(coastPath([[[180, 70], [180, 60]]], WORLD, 360, 180)).toBe(''); // prettier-ignore
    expect(coastPath([[[180, 70], [-180, 70]]], WORLD, 360, 180)).toBe(''); // prettier-ignore
    expect(coastPath([[[0, 0], [1, 1]]], [5, 0, 5, 1], 10, 10)).toBe(''); // prettier-ignore
  });
});

describe('the map of the world', () => {
  it('shows the box with the coasts of the atlas', () => {
    const { container } = render(<WorldMap box={[-10, 35, 30, 60]} label="From 10° W" />);
    expect(screen.getByRole('img', { name: 'From 10° W' })).toBeTruthy();
    expect(container.querySelector('path')!.getAttribute('d')!.length).toBeGreaterThan(10_000);
    expect(boxesOf([-10, 35, 30, 60])).toEqual([[340, 60, 80, 50]]);
  });

  it('shows a box over the edge in two parts, whatever the turn, and a small one as a spot', () => {
    expect(boxesOf([170, 0, -170, 10])).toEqual(boxesOf([170, 0, 190, 10]));
    expect(boxesOf([170, 0, -170, 10])).toHaveLength(2);
    expect(boxesOf([0, -90, 360, 90])).toEqual([[0, 0, 720, 360]]);
    expect(boxesOf([0, 0, 0, 0])).toEqual([[354, 174, 12, 12]]);
  });
});
