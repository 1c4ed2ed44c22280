/** As the packages start Node (deploy/debian/pointsman.sh, package.json). */
export const YOUNG_GENERATION = '--max-semi-space-size=8'
